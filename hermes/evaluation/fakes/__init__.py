"""Small data in the formats of the benchmarks, made from the demo's worlds."""
