"""One look inside a memory: wanted on any thread, taken on the device's."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from hermes.contents import MemoryContents
from hermes.engine.session import Session
from hermes.errors import CameraNotOwned, HermesError, Unavailable
from hermes.memory import look_inside

log = logging.getLogger(__name__)

SHUTTING_DOWN = "the worker is shutting down"


class Look:
    """A look that somebody waits for. Cancelled before its turn, it costs nothing."""

    def __init__(self, camera_id: str) -> None:
        self.camera_id = camera_id
        self.contents: Future[MemoryContents] = Future()
        """What was seen, or the `HermesError` that says why nothing was."""

    def take(self, session: Session | None, stopping: bool) -> None:
        """Look into the camera's memory, if it has one. On the device's thread.

        `stopping`: the device may be what failed, and is not touched any more.
        """
        if not self.contents.set_running_or_notify_cancel():
            return
        try:
            if stopping:
                raise Unavailable(SHUTTING_DOWN)
            if session is None:
                raise CameraNotOwned(self.camera_id)
            self.contents.set_result(look_inside(session.memory.cache))
        except HermesError as error:
            self.contents.set_exception(error)
        except Exception as error:
            log.exception("a look inside %s failed", self.camera_id)
            self.contents.set_exception(HermesError(f"internal error ({type(error).__name__})"))
