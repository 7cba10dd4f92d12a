"""Copies of memories, for snapshots: taken a layer at a time, between the device's other work."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from hermes.engine.look import SHUTTING_DOWN
from hermes.engine.session import Session
from hermes.errors import CameraNotOwned, HermesError, Unavailable
from hermes.memory import Capture, MemoryState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A memory at one moment, and the cursor of what it then held."""

    state: MemoryState
    cursor: str


class Copy:
    """A copy that somebody waits for."""

    def __init__(self, camera_id: str) -> None:
        self.camera_id = camera_id
        self.snapshot: Future[Snapshot] = Future()
        """What was copied, or the `HermesError` that says why nothing was."""
        self.session: Session | None = None
        self.capture: Capture | None = None


class Copying:
    """The copies that are wanted, one under way. Only the device's thread touches it.

    A layer is copied between two other steps, whatever they are, so that a
    question waits for one layer and not for a memory. Frames of that camera
    wait for the whole of it: a copy is of one moment. It begins when memory
    holds whole entries of the log, so that what comes behind its cursor is what
    it lacks.
    """

    def __init__(self, session_of: Callable[[str], Session | None]) -> None:
        self._session_of = session_of
        self._wanted: deque[Copy] = deque()
        self._current: Copy | None = None

    def want(self, copy: Copy, stopping: bool) -> None:
        """Queue a copy. `stopping`: the device may be what failed, and is not touched any more."""
        if stopping:
            copy.snapshot.set_exception(Unavailable(SHUTTING_DOWN))
        else:
            self._wanted.append(copy)

    @property
    def busy(self) -> bool:
        """Whether there is something to copy."""
        return self._current is not None or bool(self._wanted)

    @property
    def held(self) -> str | None:
        """The camera whose memory must not change now."""
        return None if self._current is None else self._current.camera_id

    def step(self) -> None:
        """Copy one layer, if a copy is wanted."""
        if self._current is None:
            self._current = self._begin()
        copy = self._current
        if copy is None:
            return
        try:
            assert copy.capture is not None
            assert copy.session is not None
            if self._session_of(copy.camera_id) is not copy.session:
                raise CameraNotOwned(copy.camera_id)  # closed meanwhile, and perhaps opened anew
            if copy.capture.step():
                done = Snapshot(copy.capture.state(), copy.session.report.cursor)
                self._current = None
                copy.snapshot.set_result(done)
        except Exception as error:
            self._current = None
            copy.snapshot.set_exception(_told(f"a copy of {copy.camera_id}", error))

    def _begin(self) -> Copy | None:
        for _ in range(len(self._wanted)):
            copy = self._wanted.popleft()
            session = self._session_of(copy.camera_id)
            if session is not None and not session.between:
                self._wanted.append(copy)  # the rest of its entry waits for the device already
                continue
            if not copy.snapshot.set_running_or_notify_cancel():
                continue
            try:
                if session is None:
                    raise CameraNotOwned(copy.camera_id)
                copy.session, copy.capture = session, session.memory.capture()
            except Exception as error:
                copy.snapshot.set_exception(_told(f"a copy of {copy.camera_id}", error))
            else:
                return copy
        return None

    def fail_all(self) -> None:
        """The engine stops."""
        current = [] if self._current is None else [self._current]
        for copy in [*current, *self._wanted]:
            if copy is self._current or copy.snapshot.set_running_or_notify_cancel():
                copy.snapshot.set_exception(Unavailable(SHUTTING_DOWN))
        self._current = None
        self._wanted.clear()


def put_back(
    camera_id: str, snapshot: Snapshot, session: Session | None, stopping: bool, done: Future[None]
) -> bool:
    """Let a session's memory become that of a snapshot. Whether it did; `done` says why not."""
    try:
        if stopping:
            raise Unavailable(SHUTTING_DOWN)
        if session is None:
            raise CameraNotOwned(camera_id)
        session.memory.restore(snapshot.state)
        session.publish(snapshot.cursor, None)
    except Exception as error:
        done.set_exception(_told(f"a restore of {camera_id}", error))
        return False
    done.set_result(None)
    return True


def _told(what: str, error: Exception) -> HermesError:
    if isinstance(error, HermesError):
        return error
    log.error("%s failed", what, exc_info=error)
    return HermesError(f"internal error ({type(error).__name__})")
