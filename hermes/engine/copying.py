"""Copies memories for snapshots, a layer at a time, between the device's other work."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from hermes.engine.mailbox import fail
from hermes.engine.session import Session
from hermes.errors import HermesError, as_hermes_error
from hermes.memory import Capture, Copier, MemoryState
from hermes.memory.host import PlainCopier


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of a memory, and the cursor up to which it had taken in frames."""

    state: MemoryState
    cursor: str


class Copy:
    """A caller's request for a copy of one session's memory."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.snapshot: Future[Snapshot] = Future()
        """The copy, or a `HermesError` if it failed."""

    @property
    def doing(self) -> str:
        """The name of this work in the log."""
        return f"a copy of {self.session.camera_id}"


@dataclass(frozen=True, slots=True)
class _UnderWay:
    copy: Copy
    capture: Capture


class Copying:
    """A queue of copies, at most one of them under way. Only the device's thread touches it.

    Each step copies one layer, so a question waits for one layer and not for a
    whole memory. Frames of that camera wait until the copy is complete, because
    it must show one moment. A copy begins when the memory holds whole log
    entries, so that the entries past its cursor are exactly what it lacks.
    """

    def __init__(self, copier: Copier | None = None) -> None:
        """`copier`: copies while the device does other work; by default each is waited for."""
        self._copier = copier or PlainCopier()
        self._wanted: deque[Copy] = deque()
        self._current: _UnderWay | None = None

    def want(self, copy: Copy) -> None:
        """Queue a copy."""
        self._wanted.append(copy)

    @property
    def busy(self) -> bool:
        """Whether a copy is queued or under way."""
        return self._current is not None or bool(self._wanted)

    @property
    def held(self) -> Session | None:
        """The session that is being copied, whose memory must not change."""
        return None if self._current is None else self._current.copy.session

    def step(self) -> None:
        """Copy one layer of the copy under way, or begin the next copy."""
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
            self._copier.drop()
            copy.snapshot.set_exception(as_hermes_error(error, copy.doing))

    def _begin(self) -> _UnderWay | None:
        for _ in range(len(self._wanted)):
            copy = self._wanted.popleft()
            session = copy.session
            if session.is_open and not session.between:
                self._wanted.append(copy)  # the rest of its log entry is still queued
                continue
            if not copy.snapshot.set_running_or_notify_cancel():
                continue
            try:
                return _UnderWay(copy, session.memory.capture(self._copier))
            except Exception as error:
                self._copier.drop()
                copy.snapshot.set_exception(as_hermes_error(error, copy.doing))
        return None

    def fail(self, error: HermesError, session: Session | None = None) -> None:
        """Fail all copies, or all copies of one session."""
        if self._current is not None and session in (None, self._current.copy.session):
            self._current.copy.snapshot.set_exception(error)
            self._current = None
            self._copier.drop()
        for copy in list(self._wanted):
            if session in (None, copy.session):
                self._wanted.remove(copy)
                fail(copy.snapshot, error)
