"""What one device does, with the physical limit beside each figure."""
