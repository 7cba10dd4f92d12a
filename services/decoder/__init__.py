"""The decoder: reads cameras, samples their frames, and publishes them to the frame log."""
