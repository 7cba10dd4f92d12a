"""Hours of watched streams with a real memory: what happens in them, and which events come of it."""
