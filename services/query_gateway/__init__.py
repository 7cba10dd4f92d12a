"""The gateway: takes each question to the worker that remembers the camera."""
