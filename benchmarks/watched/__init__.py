"""Hours of watched streams with a real memory: what happens in them, and what events come."""
