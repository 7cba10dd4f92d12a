"""Watches, as clients see them: the catalogue, what a fleet can carry, trials."""
