"""Hours of watched streams with a real memory: which of the things that happen are told."""
