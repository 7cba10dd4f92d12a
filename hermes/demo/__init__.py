"""What the demo shows: rendered scenes, and a small model that needs no download."""
