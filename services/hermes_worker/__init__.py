"""The worker: remembers cameras on one device, and answers for them."""
