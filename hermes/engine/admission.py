"""Which questions are admitted. Plain Python: no clock, no device. Thread-safe."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from hermes.engine.config import EngineConfig
from hermes.errors import Overloaded
from hermes.in_turn import most_held, waits_behind

_NEWEST = 0.2  # weight of the newest measurement


class Admission:
    """Counts open questions, and refuses a question that would wait too long for its first token.

    A question is either refused at once, at no cost, or admitted and answered.
    The time that the device takes to read a question is measured as it works. A
    question whose choices take several passes counts as so many questions. It waits
    for at most one pass that weighs an answer.

    Callers take turns, so a question waits only for those of other callers that are read
    before it. A known caller never has the last places: some stay free for others.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._open: Counter[str] = Counter()
        self._callers: Counter[str] = Counter()
        self._callers_at: Counter[tuple[str, str]] = Counter()  # by caller and camera
        self._unread = 0
        self._unread_of: Counter[str] = Counter()  # by caller
        self._read_s = 0.0
        self._weighed = 0
        self._standing = 0
        self._weighing_s = 0.0
        self._lock = threading.Lock()

    @property
    def open(self) -> int:
        """Questions that are waiting or being answered."""
        with self._lock:
            return self._open.total()

    @property
    def expected_wait_s(self) -> float:
        """Seconds until a question would get its first token that is read after all others."""
        return self._wait_s(self._unread)

    def _wait_s(self, before: int) -> float:
        return (before + 1) * self._read_s + (self._weighing_s if self._weighed else 0.0)

    def admit(
        self, camera_id: str, passes: int = 1, *, weighed: bool = False, caller: str = ""
    ) -> None:
        """Count a new question, which so many passes read. Raises `Overloaded`, naming the limit
        that was reached. `weighed`: whether its evidence is wanted. `caller`: who asks, if known.
        """
        with self._lock:
            self._check(camera_id, caller)
            self._open[camera_id] += 1
            self._callers[caller] += 1
            self._callers_at[caller, camera_id] += 1
            self._unread += passes
            self._unread_of[caller] += passes
            self._weighed += weighed

    def admit_standing(self) -> None:
        """Count a standing question. Raises `Overloaded` if too many are open."""
        with self._lock:
            if self._standing >= self._config.max_standing:
                raise Overloaded(f"{self._standing} standing questions are open on this worker")
            self._standing += 1

    def standing_ended(self) -> None:
        """Count a standing question as over, for any reason."""
        with self._lock:
            self._standing -= 1

    def _check(self, camera_id: str, caller: str) -> None:
        config, about_it = self._config, self._open[camera_id]
        if (total := self._open.total()) >= config.max_questions:
            raise Overloaded(f"{total} questions are open on this worker")
        if about_it >= config.max_camera_questions:
            about = f"questions about camera {camera_id!r}" if camera_id else "merged answers"
            raise Overloaded(f"{about_it} {about} are open")
        if caller:
            free, own = config.max_questions - total, self._callers[caller]
            _leave_room(own, free, "on this worker")
            free, own = config.max_camera_questions - about_it, self._callers_at[caller, camera_id]
            _leave_room(own, free, f"about camera {camera_id!r}")
        own = self._unread_of[caller]
        others = self._unread_of.total() - own
        if others:
            theirs = (count for who, count in self._unread_of.items() if who != caller)
            before = waits_behind(own, theirs)
        else:
            before = own
        if before and (wait_s := self._wait_s(before)) > config.max_wait_s:
            raise Overloaded(
                f"{before} questions are waiting on this worker: the first token would take"
                f" about {wait_s:.1f} s; at most {config.max_wait_s:g} s are allowed"
            )

    def read(
        self, questions: int, seconds: float, callers: Mapping[str, int] | None = None
    ) -> None:
        """Record that the device read this many questions in one pass of `seconds`.

        `callers`: how many of each caller; None if no caller is known.
        """
        each = seconds / questions
        with self._lock:
            self._unread -= questions
            self._unread_of.subtract({"": questions} if callers is None else callers)
            self._unread_of += Counter()  # forget those that have none
            known = self._read_s or each
            self._read_s = (1 - _NEWEST) * known + _NEWEST * each

    def weighed(self, seconds: float) -> None:
        """Record that the device weighed an answer for so long in one pass."""
        with self._lock:
            known = self._weighing_s or seconds
            self._weighing_s = (1 - _NEWEST) * known + _NEWEST * seconds

    def ended(
        self, camera_id: str, *, unread: int, weighed: bool = False, caller: str = ""
    ) -> None:
        """Count a question as over, for any reason. `unread`: passes that never read it.
        `weighed`, `caller`: as in `admit`.
        """
        with self._lock:
            self._open -= Counter([camera_id])
            self._callers -= Counter([caller])
            self._callers_at -= Counter([(caller, camera_id)])
            self._unread -= unread
            self._unread_of -= Counter({caller: unread})
            self._weighed -= weighed


def _leave_room(own: int, free: int, where: str) -> None:
    """Raises `Overloaded` if a known caller has its share of the places."""
    if own >= most_held(free):
        raise Overloaded(
            f"{own} questions of yours are open {where}; the last {free} places are for others"
        )
