"""What every service shares: settings, Redis, the frame log, leases, logging, metrics."""
