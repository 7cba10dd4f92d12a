"""Benchmarks of streaming video understanding: readers, one runner, scores and reports."""
