"""Pauses between attempts: exponential, jittered, capped."""

from __future__ import annotations

import random

MAX_DOUBLINGS = 32
"""Bounds the exponent, so that the pause never overflows."""


class Backoff:
    """Doubles from `base_s` to `cap_s`; each pause is a random half to whole of its step.

    The jitter keeps cameras that went away together from coming back together.
    """

    def __init__(self, base_s: float, cap_s: float, rng: random.Random | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._attempts = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        step_s = min(self._cap_s, self._base_s * 2.0 ** min(self._attempts, MAX_DOUBLINGS))
        self._attempts += 1
        return step_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start over: the last attempt was a lasting success."""
        self._attempts = 0
