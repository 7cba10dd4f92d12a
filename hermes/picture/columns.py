"""Frames that are too narrow to be told apart: how much of a column's time is held."""

from __future__ import annotations


def spread(columns: list[float], start: float, end: float, share: float) -> None:
    """Add to the columns from `start` to `end`, counted in columns, each for the part it covers.

    Once every frame is spread, a column has the share of all that was captured
    in its time.
    """
    while start < end:
        index = int(start)
        until = min(end, index + 1.0)
        columns[index] += share * (until - start)
        start = until
