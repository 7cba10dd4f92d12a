"""How fast a number grows."""

from __future__ import annotations

Samples = tuple[tuple[int, float], ...]
"""Capture time (ms) and number, oldest first."""

MOST_SAMPLES = 64
MS_PER_MINUTE = 60_000


def per_minute(
    samples: Samples, at_ms: int, value: float, window_ms: int
) -> tuple[Samples, float | None]:
    """The samples with a new one, and the growth a minute over `window_ms` up to it.

    The growth is from the newest sample that is at least a window old; None until
    there is one.
    """
    start = at_ms - window_ms
    kept = [*samples, (at_ms, value)]
    older = [n for n, (time, _) in enumerate(kept) if time <= start]
    if older:
        kept = kept[older[-1] :]
    first_ms, first = kept[0]
    rate = None
    if older and at_ms > first_ms:
        rate = (value - first) * MS_PER_MINUTE / (at_ms - first_ms)
    while len(kept) > MOST_SAMPLES:  # between samples that are close together, one goes
        gaps = [kept[n + 1][0] - kept[n - 1][0] for n in range(1, len(kept) - 1)]
        del kept[1 + gaps.index(min(gaps))]
    return tuple(kept), rate
