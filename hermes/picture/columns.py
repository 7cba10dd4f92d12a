"""Columns, for frames too narrow to draw: how much of a column's time is held."""

from __future__ import annotations


def spread(columns: list[float], start: float, end: float, share: float) -> None:
    """Add `share` to the columns from `start` to `end`, by the part of each that is covered.

    `start` and `end` count columns. Once every frame was added, a column has
    the held share of what was captured in its time.
    """
    while start < end:
        index = int(start)
        until = min(end, index + 1.0)
        columns[index] += share * (until - start)
        start = until
