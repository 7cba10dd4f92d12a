"""Warm-up before the first camera: runs passes once, and measures how many memories fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from hermes.engine.capacity import Fit, Room, fit_of, room_of, slab_bytes
from hermes.engine.config import EngineConfig
from hermes.engine.weighing import WEIGHED_AT_ONCE
from hermes.errors import InvalidInput
from hermes.memory import Device, FrameStamp, MemoryState, SlabPool
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
        model = self._memories[0].model
        self._picture = torch.zeros((3, *model.frame_size), dtype=torch.uint8)
        self._frame = self._memories[0].tokens_of(self._picture)
        # The limit is in tokens: of smaller frames, a pass has more.
        self._most_frames = config.max_pass_frames * model.most_frame_tokens // self._frame

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
        self._take(self._memories, 1)
        memory.ask(_question(memory, self._config), max_tokens=_ANSWER)
        return self._fit(0)

    def _measured(self) -> Fit:
        config, (memory,) = self._config, self._memories
        every, compressed, nearly_due = self._filled(memory)
        peak_of, ask = self._device.peak_of, partial(_ask, memory, config)
        work = max(peak_of(ask), peak_of(partial(_weigh, memory)))
        for frames, state in ((min(every, self._most_frames), compressed), (1, nearly_due)):
            count = min(-(-self._most_frames // frames), config.max_cameras)
            self._have(min(count, max(1, self._fit(work).cameras)))
            used = self._memories[:count]
            for each in used:
                each.restore(state)
            work = max(work, peak_of(partial(self._run, used, frames)))
        return self._fit(work)

    def _have(self, count: int) -> None:
        while len(self._memories) < count:
            self._memories.append(self._new_memory())

    def _filled(self, memory: VideoMemory) -> tuple[int, MemoryState, MemoryState]:
        """Frames from one compression to the next, and the memory after one and a frame before the
        next.
        """
        for _ in range(2):  # the first may come after more frames than later ones
            every = 1
            while not self._take([memory], 1):
                every += 1
        compressed = memory.state()
        self._take([memory], every - 1)
        return every, compressed, memory.state()

    def _take(self, memories: Sequence[VideoMemory], frames: int) -> bool:
        """Take in so many frames of each, in one pass. Whether any memory was compressed."""
        arrivals = []
        for _ in range(memories[0].model.pictures_per_frame * frames):
            self._clock += 1
            stamp = FrameStamp(1000 * self._clock)
            arrivals += [Arrival(memory, self._picture, stamp) for memory in memories]
        compressed = False
        for outcome in take_together(arrivals):
            if isinstance(outcome, Exception):
                raise outcome
            compressed = compressed or outcome is not None
        return compressed

    def _run(self, memories: Sequence[VideoMemory], frames: int) -> None:
        self._take(memories, frames)

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
