"""Ways to remember a stream that no service uses, to compare HERMES with."""
