"""Passes over the frames that wait: of which cameras, and whose frames go first."""

from __future__ import annotations

from collections.abc import Mapping

from hermes.engine.backlogs import NONE_LONG, LongBacklogs
from hermes.engine.copying import Copying
from hermes.engine.ingesting import Ingesting
from hermes.engine.scheduler import Backlog, Scheduler
from hermes.engine.session import Session


class FramePasses:
    """Runs passes over the frames that wait. Only the device's thread calls it.

    A pass over long backlogs is short and gives way to the frames of other cameras, so that these
    wait for no backlog, however long.
    """

    def __init__(
        self,
        sessions: Mapping[int, Session],
        scheduler: Scheduler[int],
        ingesting: Ingesting,
        copying: Copying,
    ) -> None:
        """`sessions`: the open ones, by number. `copying`: what it holds takes no frames."""
        self._sessions = sessions
        self._scheduler = scheduler
        self._ingesting = ingesting
        self._copying = copying
        self._backlogs = NONE_LONG  # those of the pass under way
        self.winding_down = False
        """Only frames that complete a log entry already begun are taken in."""

    def waiting(self) -> dict[int, Backlog]:
        """The cameras of which frames may be taken in now."""
        held = self._copying.held
        return {
            number: session.backlog
            for number, session in self._sessions.items()
            if session.pending
            and session is not held
            and not (self.winding_down and session.between)
        }

    def run(self, frames: Mapping[int, int], waiting: Mapping[int, Backlog]) -> None:
        """Run one pass. `frames`: how many of each camera. `waiting`: what waits."""
        self._run(frames, LongBacklogs({key: waiting[key] for key in frames}, frames))

    def let_few_first(self) -> bool:
        """Between two slices of a pass over long backlogs, take in frames of cameras that send
        less. Whether there were any.
        """
        backlogs = self._backlogs
        if not backlogs or not (first := backlogs.let_first(self.waiting())):
            return False
        frames = self._scheduler.shares(first, self._ingesting.size.tokens - backlogs.tokens, 0)
        backlogs.went(frames)
        self._run(frames, NONE_LONG)
        return True

    def _run(self, frames: Mapping[int, int], backlogs: LongBacklogs) -> None:
        before, self._backlogs = self._backlogs, backlogs
        sessions = {self._sessions[key]: count for key, count in frames.items()}
        try:
            self._ingesting.perform(sessions, short=bool(backlogs))
        finally:
            self._backlogs = before
