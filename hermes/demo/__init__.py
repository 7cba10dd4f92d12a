"""The demo: rendered scenes with a known truth, and a small model that needs no download."""
