"""Which questions are admitted. Plain Python: no clock, no device. Thread-safe."""

from __future__ import annotations

import threading

from hermes.engine.config import EngineConfig
from hermes.errors import Overloaded

_NEWEST = 0.2  # weight of the newest measurement


class Admission:
    """Counts open questions, and refuses a question that would wait too long for its first token.

    A question is either refused at once, at no cost, or admitted and answered.
    The time that the device takes to read a question is measured as it works. A
    question whose choices take several passes counts as so many questions. It waits
    for at most one pass that weighs an answer.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._open: dict[str, int] = {}
        self._unread = 0
        self._read_s = 0.0
        self._weighed = 0
        self._weighing_s = 0.0
        self._lock = threading.Lock()

    @property
    def open(self) -> int:
        """Questions that are waiting or being answered."""
        with self._lock:
            return sum(self._open.values())

    @property
    def expected_wait_s(self) -> float:
        """Seconds until a question that is asked now would get its first token."""
        return (self._unread + 1) * self._read_s + (self._weighing_s if self._weighed else 0.0)

    def admit(self, camera_id: str, passes: int = 1, *, weighed: bool = False) -> None:
        """Count a new question, which so many passes read. Raises `Overloaded`, naming the limit
        that was reached. `weighed`: whether its evidence is wanted.
        """
        with self._lock:
            self._check(camera_id)
            self._open[camera_id] = self._open.get(camera_id, 0) + 1
            self._unread += passes
            self._weighed += weighed

    def _check(self, camera_id: str) -> None:
        config, own = self._config, self._open.get(camera_id, 0)
        if (total := sum(self._open.values())) >= config.max_questions:
            raise Overloaded(f"{total} questions are open on this worker")
        if own >= config.max_camera_questions:
            about = f"questions about camera {camera_id!r}" if camera_id else "merged answers"
            raise Overloaded(f"{own} {about} are open")
        if self._unread and self.expected_wait_s > config.max_wait_s:
            raise Overloaded(
                f"{self._unread} questions are waiting on this worker: the first token would take"
                f" about {self.expected_wait_s:.1f} s; at most {config.max_wait_s:g} s are allowed"
            )

    def read(self, questions: int, seconds: float) -> None:
        """Record that the device read this many questions in one pass of `seconds`."""
        each = seconds / questions
        with self._lock:
            self._unread -= questions
            known = self._read_s or each
            self._read_s = (1 - _NEWEST) * known + _NEWEST * each

    def weighed(self, seconds: float) -> None:
        """Record that the device weighed an answer for so long in one pass."""
        with self._lock:
            known = self._weighing_s or seconds
            self._weighing_s = (1 - _NEWEST) * known + _NEWEST * seconds

    def ended(self, camera_id: str, *, unread: int, weighed: bool = False) -> None:
        """Count a question as over, for any reason. `unread`: passes that never read it.
        `weighed`: as in `admit`.
        """
        with self._lock:
            left = self._open.pop(camera_id) - 1
            if left:
                self._open[camera_id] = left
            self._unread -= unread
            self._weighed -= weighed
