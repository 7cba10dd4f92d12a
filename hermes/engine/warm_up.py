"""Warm-up before the first camera: runs passes once, and measures how many memories fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from hermes.engine.capacity import Fit, Room, fit_of, room_of, slab_bytes
from hermes.engine.config import EngineConfig
from hermes.engine.weighing import WEIGHED_AT_ONCE
from hermes.errors import InvalidInput
from hermes.memory import Device, FrameStamp, SlabPool
from hermes.vlm import Arrival, VideoMemory, take_together
from hermes.vlm.weighing import logprobs_without

_ANSWER = 2


class WarmUp:
    """Runs passes as an engine does.

    Where the device tells how much memory work takes, these are the largest passes that there
    can be: `max_pass_frames` frames, of few memories and of many, each of which is compressed
    at their end; a question as long as any; and one that is weighed.
    """

    def __init__(
        self,
        new_memory: Callable[[], VideoMemory],
        slabs: SlabPool,
        config: EngineConfig,
        device: Device,
    ) -> None:
        """`new_memory`: makes empty memories that take in all of each frame, with slabs of this
        pool.
        """
        self._slabs = slabs
        self._config = config
        self._device = device
        self._memories = [new_memory()]
        self._new_memory = new_memory
        self._clock = 0

    def run(self) -> Fit:
        """What fits beside the passes: at most `max_cameras` memories.

        Raises `InvalidInput` if not even one memory fits.
        """
        try:
            fit = self._measured() if self._device.measures else self._tried()
        finally:
            for memory in self._memories:
                memory.close()
        if not fit.cameras:
            raise InvalidInput(
                "budget_tokens",
                f"{self._config.budget_tokens}: not even one memory fits beside the model on"
                f" {self._memories[0].model.shape.device}; lower it, or take a smaller model",
            )
        return Fit(min(fit.cameras, self._config.max_cameras), fit.read_at_once)

    def _tried(self) -> Fit:
        (memory,) = self._memories
        self._feed(self._memories, 1)
        memory.ask(_question(memory, self._config), max_tokens=_ANSWER)
        return self._fit(0)

    def _measured(self) -> Fit:
        config, (memory,) = self._config, self._memories
        every = config.compress_every_frames
        self._fill(memory)
        compressed = memory.state()
        self._feed([memory], every - 1)
        nearly_due = memory.state()
        peak_of, ask = self._device.peak_of, partial(_ask, memory, config)
        work = max(peak_of(ask), peak_of(partial(_weigh, memory)))
        few = min(-(-config.max_pass_frames // every), config.max_cameras)
        for count, frames, state in (
            (few, min(every, config.max_pass_frames), compressed),
            (min(config.max_pass_frames, config.max_cameras), 1, nearly_due),
        ):
            self._have(min(count, max(1, self._fit(work).cameras)))
            used = self._memories[:count]
            for each in used:
                each.restore(state)
            work = max(work, peak_of(partial(self._feed, used, frames)))
        return self._fit(work)

    def _have(self, count: int) -> None:
        while len(self._memories) < count:
            self._memories.append(self._new_memory())

    def _fill(self, memory: VideoMemory) -> None:
        """Until it holds its budget, right after a compression."""
        config = self._config
        every = config.compress_every_frames
        frames = config.budget_tokens // memory.model.most_frame_tokens + 1
        for _ in range(-(-frames // every)):
            self._feed([memory], every)

    def _feed(self, memories: Sequence[VideoMemory], frames: int) -> None:
        model = memories[0].model
        picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)
        arrivals = []
        for _ in range(model.pictures_per_frame * frames):
            self._clock += 1
            stamp = FrameStamp(1000 * self._clock)
            arrivals += [Arrival(memory, picture, stamp) for memory in memories]
        for outcome in take_together(arrivals):
            if isinstance(outcome, Exception):
                raise outcome

    def _fit(self, work: int) -> Fit:
        memory, config = self._memories[0], self._config
        shape, tokens = memory.model.shape, memory.cache.capacity
        room = room_of(self._device, work)
        if self._device.measures:  # slabs go back to their pool, for the cameras to come
            own = self._slabs.made * slab_bytes(shape, tokens)
            room = Room(room.free + own, work, room.total)
        most = min(config.max_questions, config.max_cameras)
        return fit_of(room, shape, tokens, most, memory.picture_bytes)


def _question(memory: VideoMemory, config: EngineConfig) -> str:
    """A question as long as one that begins with present frames.

    `memory` has taken in all of its newest frame, and so would not show it again.
    """
    shown = 0 if config.changes is None else config.present_frames
    return f"What is there{' there' * shown * memory.model.most_frame_tokens}?"


def _ask(memory: VideoMemory, config: EngineConfig) -> None:
    memory.ask(_question(memory, config), max_tokens=_ANSWER)


def _weigh(memory: VideoMemory) -> None:
    """As many readings of one question as a pass has."""
    model = memory.model
    question, answer = model.question("What is there?"), [0] * _ANSWER
    with memory.branch(len(question) + len(answer)) as branch:
        count = max(1, WEIGHED_AT_ONCE // (len(question) + len(answer)))
        hidden = [branch.frames()[:1]] * count
        logprobs_without(model, branch, question, answer, hidden)
