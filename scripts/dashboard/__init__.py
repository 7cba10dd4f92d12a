"""The panels of the Grafana dashboard, a module for each row."""
