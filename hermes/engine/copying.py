"""Copies of memories, for snapshots: taken a layer at a time, between the device's other work."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from hermes.engine.mailbox import fail
from hermes.engine.session import Session
from hermes.errors import HermesError, as_hermes_error
from hermes.memory import Capture, MemoryState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A memory at one moment, and the cursor up to which it had read."""

    state: MemoryState
    cursor: str


class Copy:
    """A copy of one session's memory that a caller waits for."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.snapshot: Future[Snapshot] = Future()
        """The copy, or the `HermesError` that says why there is none."""

    @property
    def doing(self) -> str:
        """What this is called in the log."""
        return f"a copy of {self.session.camera_id}"


@dataclass(frozen=True, slots=True)
class _UnderWay:
    copy: Copy
    capture: Capture


class Copying:
    """The copies that are wanted, at most one of them under way. For the device's thread alone.

    One layer is copied between two other steps, so a question waits for one
    layer and not for a whole memory. Frames of that camera wait for all of it:
    a copy is of one moment. It begins when memory holds whole log entries, so
    that what follows its cursor in the log is exactly what it lacks.
    """

    def __init__(self) -> None:
        self._wanted: deque[Copy] = deque()
        self._current: _UnderWay | None = None

    def want(self, copy: Copy) -> None:
        """Queue a copy."""
        self._wanted.append(copy)

    @property
    def busy(self) -> bool:
        """Whether there is something to copy."""
        return self._current is not None or bool(self._wanted)

    @property
    def held(self) -> Session | None:
        """The session whose memory must not change now."""
        return None if self._current is None else self._current.copy.session

    def step(self) -> None:
        """Copy one layer, if a copy is wanted."""
        current = self._current = self._current or self._begin()
        if current is None:
            return
        copy, capture = current.copy, current.capture
        try:
            if capture.step():
                self._current = None
                copy.snapshot.set_result(Snapshot(capture.state(), copy.session.report.cursor))
        except Exception as error:
            self._current = None
            copy.snapshot.set_exception(as_hermes_error(error, copy.doing))

    def _begin(self) -> _UnderWay | None:
        for _ in range(len(self._wanted)):
            copy = self._wanted.popleft()
            session = copy.session
            if session.is_open and not session.between:
                self._wanted.append(copy)  # the rest of its log entry waits for the device already
                continue
            if not copy.snapshot.set_running_or_notify_cancel():
                continue
            try:
                return _UnderWay(copy, session.memory.capture())
            except Exception as error:
                copy.snapshot.set_exception(as_hermes_error(error, copy.doing))
        return None

    def fail(self, error: HermesError, session: Session | None = None) -> None:
        """End all copies, or those of one session."""
        if self._current is not None and session in (None, self._current.copy.session):
            self._current.copy.snapshot.set_exception(error)
            self._current = None
        for copy in list(self._wanted):
            if session in (None, copy.session):
                self._wanted.remove(copy)
                fail(copy.snapshot, error)
