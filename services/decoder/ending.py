"""Endings: how far a source was read when it ended, and whether that was all of it."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.02
SLACK_S = 0.5
"""Durations in headers are rounded, and the last frame may be shown for long."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Where reading stopped, in seconds from the start. None: not known.

    `bytes_there`, `bytes_needed`: of a file whose index says where its frames lie.
    `with_sound`: the duration may be that of the sound.
    """

    reached_s: float | None = None
    duration_s: float | None = None
    bytes_there: int | None = None
    bytes_needed: int | None = None
    with_sound: bool = False

    @property
    def cut(self) -> bool:
        """Whether something is missing."""
        if self.duration_s is None:
            return False
        return (self.reached_s or 0.0) < self.duration_s * (1 - TOLERANCE) - SLACK_S

    @property
    def whole(self) -> bool:
        """Whether the source said how long it is, and was read to there and no further."""
        if self.duration_s is None or self.reached_s is None or self.cut:
            return False
        return self.reached_s <= self.duration_s * (1 + TOLERANCE) + SLACK_S

    def words(self, what: str) -> str:
        """For people. `what`: `the file`, `the recording`."""
        if not self.cut:
            shown = f" ({self.reached_s:.1f} s)" if self.reached_s else ""
            return f"{what} was read whole{shown}"
        if self.with_sound:
            return f"{what} is cut, or its sound is longer: {self.share()} could be read"
        return f"{what} is {'damaged' if self._all_there else 'cut'}: {self.share()} could be read"

    def share(self) -> str:
        """How much was read, of how much."""
        text = f"{self.reached_s or 0.0:.1f} of {self.duration_s or 0.0:.1f} s"
        if self.bytes_there is None or self.bytes_needed is None or self._all_there:
            return text
        return f"{text}, {_size(self.bytes_there)} of {_size(self.bytes_needed)},"

    @property
    def _all_there(self) -> bool:
        there, needed = self.bytes_there, self.bytes_needed
        return there is not None and needed is not None and there >= needed


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
