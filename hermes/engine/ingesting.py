"""Passes over frames: one pass takes in frames of many cameras and gives way to questions."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from hermes.engine.observer import EngineObserver
from hermes.engine.scheduler import PassSize
from hermes.engine.session import FrameInput, Session, tokens_of
from hermes.memory import Device
from hermes.memory.device import Mark
from hermes.vlm import Arrival, Outcome, take_together

log = logging.getLogger(__name__)

_SLICES_AT_FIRST = 64
"""Assumed number of slices of a pass, until the first pass has been counted."""


class Stopping(BaseException):
    """Raised to abandon a pass when the engine stops. No memory is changed by that pass."""


@dataclass(slots=True)
class Progress:
    """A pass under way. `given`, `given_s`: passes that it gave way to, and their time."""

    slices: int = 0
    given: int = 0
    given_s: float = 0.0


class Ingesting:
    """Takes frames into the memories of sessions."""

    def __init__(
        self,
        device: Device,
        size: PassSize,
        short_size: PassSize,
        observer: EngineObserver,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        give_way: Callable[[float, int], bool],
        taken: Callable[[Session], None],
    ) -> None:
        """`short_size`: of passes over long backlogs. `give_way`: called with the share of the pass
        that is done and how often it has given way; runs one pass of others if one should go first,
        and returns whether it did. It may run a pass over frames of other sessions.
        `taken`: called with each open session whose memory took in frames.
        """
        self.size = size
        self.short_size = short_size
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._give_way = give_way
        self._taken = taken
        self._pace = DevicePace(device)
        self._slices = _SLICES_AT_FIRST

    def perform(self, frames: Mapping[Session, int], *, short: bool = False) -> None:
        """Run one pass over the given number of waiting frames of each session.

        `short`: it is as large as `short_size` says.
        """
        entries = [
            (session, entry) for session, count in frames.items() for entry in session.take(count)
        ]
        of = [(session, frame) for session, (frame, _) in entries if frame is not None]
        before = {session: _tokens(session) for session in frames}
        outcomes = self._timed([_arrival(session, frame) for session, frame in of], short)
        lags = {
            session: self._account(session, frame, outcome)
            for (session, frame), outcome in zip(of, outcomes, strict=True)
        }
        for session in frames:
            if not session.is_open:
                continue  # closed while the pass gave way
            cursors = [cursor for owner, (_, cursor) in entries if owner is session and cursor]
            self._count(session, before[session])
            session.publish(cursors[-1] if cursors else None, lags.get(session))
            session.room.release(sum(owner is session for owner, _ in of))
            self._taken(session)

    def _count(self, session: Session, before: tuple[int, int]) -> None:
        """Report the tokens that the pass took in."""
        taken, unchanged = (now - then for now, then in zip(_tokens(session), before, strict=True))
        if taken:
            self._observer.tokens_taken(session.camera_id, taken, unchanged)

    def _timed(self, arrivals: list[Arrival], short: bool) -> list[Outcome]:
        if not arrivals:
            return []
        progress, began = Progress(), self._clock()
        try:
            outcomes = take_together(arrivals, partial(self._between, progress), self._retried)
        finally:
            self._pace.forget()
        own_s = self._clock() - began - progress.given_s
        tokens = sum(tokens_of(arrival.memory, arrival.picture) for arrival in arrivals)
        self.size.took(tokens, progress.slices, own_s)
        if short:
            self.short_size.took(tokens, progress.slices, own_s)
        self._slices = max(1, progress.slices)
        return outcomes

    def _between(self, progress: Progress) -> None:
        """Give way after a slice of the pass, as often as others should go first."""
        progress.slices += 1
        self._pace.tick()
        began = self._clock()
        while self._give_way(progress.slices / self._slices, progress.given):
            progress.given += 1
        progress.given_s += self._clock() - began

    def _retried(self, error: Exception) -> None:
        log.warning("a pass over frames failed; trying again in halves: %s", error)
        self.size.failed()
        self.short_size.failed()
        self._observer.pass_retried()

    def _account(self, session: Session, frame: FrameInput, outcome: Outcome) -> float | None:
        """Report a frame to the observer. Returns its lag in seconds, if it has one."""
        if isinstance(outcome, Exception):
            log.warning("frame of %s skipped: %s", session.camera_id, outcome)
            self._observer.frame_failed(session.camera_id, outcome)
            return None
        lag = None
        if not frame.replayed:
            lag = max(0.0, self._wall_clock() - frame.stamp.capture_ms / 1000)
        self._observer.frame_in_memory(session.camera_id, lag)
        if outcome is not None:
            self._observer.compressed(session.camera_id, outcome.evicted_tokens)
        return lag


def _tokens(session: Session) -> tuple[int, int]:
    """How many tokens the session's memory has taken in, and left out, so far."""
    if not session.is_open:
        return 0, 0
    intake = session.memory.intake
    return intake.taken, intake.unchanged


def _arrival(session: Session, frame: FrameInput) -> Arrival:
    return Arrival(session.memory, frame.picture, frame.stamp, frame.after_gap)


class DevicePace:
    """Keeps the host at most a few slices ahead of the device.

    A GPU works through a queue. Without this the host would queue a whole pass
    before its first layer is computed, and a question that is let in between two
    layers would still run after the whole pass.
    """

    AHEAD = 2

    def __init__(self, device: Device) -> None:
        self._device = device
        self._marks: deque[Mark] = deque()

    def tick(self) -> None:
        """Note that a slice was queued, and wait if the host is too far ahead."""
        self._marks.append(self._device.mark())
        if len(self._marks) > self.AHEAD:
            self._marks.popleft().wait()

    def forget(self) -> None:
        """Drop the notes of the pass."""
        self._marks.clear()
