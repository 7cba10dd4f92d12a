"""One stretch of a video that contenders see from its start: a memory for each of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hermes.errors import HermesError
from hermes.evaluation.clock import settle
from hermes.evaluation.contenders import CONTENDERS, Room
from hermes.evaluation.item import Item, Poll
from hermes.evaluation.last_frames import LastFrames
from hermes.evaluation.memory import Memory
from hermes.evaluation.settings import RunSettings
from hermes.evaluation.shared_tower import SharedTower
from hermes.memory import FrameStamp
from hermes.vlm import Arrival, VideoMemory, VideoModel, take_together

FAULTS = (HermesError, torch.OutOfMemoryError)
"""What ends one contender's part in a video, and not the run."""

Moment = tuple[float, Tensor]
"""A picture, and its time in seconds."""


@dataclass(slots=True)
class Seat:
    """A contender in a sitting. `memory`: None once it failed, for the reason in `fault`.

    `frames`: pictures fed so far. `feed_s`: the time of the decoder that they took; `waited_s`: of
    the newest of them alone. `polls`: of items that are watched, by key.
    """

    policy: str
    budget: int
    memory: Memory | None = None
    fault: str = ""
    frames: int = 0
    feed_s: float = 0.0
    waited_s: float = 0.0
    polls: dict[str, list[Poll]] = field(default_factory=dict)

    @property
    def contender(self) -> tuple[str, int]:
        """Who sits here."""
        return self.policy, self.budget

    def fail(self, error: Exception) -> None:
        """Give up the memory."""
        self.fault = f"{type(error).__name__}: {error}"
        self.close()

    def close(self) -> None:
        """End the memory."""
        if isinstance(self.memory, VideoMemory):
            self.memory.close()
        self.memory = None


class Sitting:
    """All contenders, over the pictures of a video from `since_s` on."""

    def __init__(
        self,
        model: VideoModel,
        settings: RunSettings,
        reserve: int,
        since_s: float,
        items: Sequence[Item],
    ) -> None:
        """`reserve`: positions for a question and its answer. `items`: what is asked in it."""
        self.since_s = since_s
        self.items = list(items)
        self.left = len(self.items)
        self._model = model
        self._settings = settings
        self._reserve = reserve
        self.seats: list[Seat] = []

    def begin(self, seconds: float) -> None:
        """Make the memories. `seconds`: how much of the video will be seen, at most."""
        frames = int(seconds * self._settings.fps) + 2
        for policy, budget in self._settings.contenders:
            seat = Seat(policy, budget)
            try:
                every = self._settings.compress_every_frames
                room = Room(budget, every, self._reserve, frames)
                seat.memory = CONTENDERS[policy](self._model, room)
            except FAULTS as error:
                seat.fail(error)
            self.seats.append(seat)

    @property
    def begun(self) -> bool:
        """Whether the memories are there."""
        return bool(self.seats)

    def feed(self, moments: Sequence[Moment], tower: SharedTower) -> None:
        """Take pictures in: all of those that are in this stretch, one contender after another."""
        own = [moment for moment in moments if moment[0] >= self.since_s]
        for seat in self.seats:
            seat.waited_s = 0.0
            if seat.memory is None or not own:
                continue
            read, began = tower.seconds, time.perf_counter()
            try:
                _take(seat.memory, own)
            except FAULTS as error:
                seat.fail(error)
                continue
            settle(self._model.shape.device)
            seat.waited_s = time.perf_counter() - began - (tower.seconds - read)
            seat.feed_s += seat.waited_s
            seat.frames += len(own)

    def close(self) -> None:
        """End the memories."""
        for seat in self.seats:
            seat.close()


def _take(memory: Memory, moments: Sequence[Moment]) -> None:
    stamped = [(picture, FrameStamp(round(1000 * at))) for at, picture in moments]
    if not isinstance(memory, VideoMemory):
        for picture, stamp in stamped:
            memory.take(picture, stamp)
        return
    for outcome in take_together([Arrival(memory, *one) for one in stamped]):
        if isinstance(outcome, Exception):
            raise outcome


def taken_by(memory: Memory) -> int:
    """How many tokens of video a memory has taken in: none, if it keeps pictures."""
    return memory.intake.taken if isinstance(memory, VideoMemory) else 0


def readable(memory: Memory) -> int:
    """How many tokens of video an answer can read in a layer."""
    if isinstance(memory, VideoMemory):
        return memory.cache.video_tokens + memory.present_tokens
    return memory.tokens if isinstance(memory, LastFrames) else 0


def bytes_of(memory: Memory) -> tuple[int, int]:
    """Bytes on the device and on the host that are held between two questions."""
    beside = memory.picture_bytes if isinstance(memory, VideoMemory) else 0
    return memory.device_bytes + beside, memory.host_bytes
