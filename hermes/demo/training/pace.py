"""Progress of training, as a line from time to time."""

from __future__ import annotations

import sys
import time


class Pace:
    """Reports progress every `every_s` seconds."""

    def __init__(self, every_s: float = 20.0) -> None:
        self._began = time.monotonic()
        self._every = every_s
        self._said = -every_s
        self._loss: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since training began."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """A line on standard error."""
        print(f"[{self.elapsed_s:6.0f} s] {text}", file=sys.stderr, flush=True)

    def step(self, stage: str, step: int, steps: int, loss: float) -> None:
        """One step is done."""
        smooth = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        self._loss = None if step + 1 == steps else smooth
        if self.elapsed_s - self._said >= self._every or step + 1 == steps:
            self._said = self.elapsed_s
            self.say(f"{stage}: step {step + 1} of {steps}, loss {smooth:.4f}")
