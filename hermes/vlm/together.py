"""Frames of many memories in one pass: the weights are read once for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor

from hermes.memory import Compression, FrameStamp, PackedPass
from hermes.vlm.base import VideoModel
from hermes.vlm.encoded import EncodedFrame, FramePictures
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.live_picture import Glance
from hermes.vlm.tower import Between
from hermes.vlm.video_memory import VideoMemory

Outcome = Compression | Exception | None
"""A picture's outcome: the compression that it caused, None, or why it is not in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A picture [3, height, width] uint8 for a memory."""

    memory: VideoMemory
    picture: Tensor
    stamp: FrameStamp
    after_gap: bool = False


@dataclass(slots=True, eq=False)
class _Run:
    """Frames of one memory that go into one step. `of`: the arrivals that completed them."""

    memory: VideoMemory
    of: list[int] = field(default_factory=list)
    frames: list[FramePictures] = field(default_factory=list)

    def add(self, index: int, frame: FramePictures) -> None:
        self.of.append(index)
        self.frames.append(frame)

    def look(self, features: list[Tensor]) -> tuple[list[EncodedFrame], Glance | None]:
        """The frames that the tower made of its pictures, and what changed in them."""
        frames = self.memory.encoded(features, self.frames)
        return frames, self.memory.glance(frames, [frame.stamp for frame in self.frames])

    def halves(self) -> tuple[_Run, _Run]:
        cut = len(self.of) // 2
        first, second = _Run(self.memory), _Run(self.memory)
        for number, frame in enumerate(zip(self.of, self.frames, strict=True)):
            (first if number < cut else second).add(*frame)
        return first, second


@torch.inference_mode()
def take_together(
    arrivals: Sequence[Arrival],
    between: Between | None = None,
    on_retry: Callable[[Exception], None] = lambda error: None,
) -> list[Outcome]:
    """Take pictures into their memories, all of one model. Outcomes are in the order of arrivals.

    Each memory then holds what `VideoMemory.take` would have made of it, within
    numeric noise. A pass that fails (out of memory, say) leaves no trace:
    `on_retry` gets the error, and the pass is tried again in halves. A picture
    that fails alone has its error as its outcome, and no effect on others. A
    memory that is closed meanwhile takes no more frames.
    `between` is called between two layers, of the tower and of the decoder, and after
    each compression.
    """
    outcomes: list[Outcome] = [None] * len(arrivals)
    queues: dict[int, deque[tuple[int, Arrival]]] = {}
    for index, arrival in enumerate(arrivals):
        queues.setdefault(id(arrival.memory), deque()).append((index, arrival))
    while queues:
        runs = [run for queue in queues.values() if (run := _next_run(queue, outcomes)).of]
        _perform(runs, outcomes, between, on_retry)
        queues = {key: queue for key, queue in queues.items() if queue}
    for memory in {id(arrival.memory): arrival.memory for arrival in arrivals}.values():
        memory.settle()
    return outcomes


def _next_run(queue: deque[tuple[int, Arrival]], outcomes: list[Outcome]) -> _Run:
    """As many frames of one memory as may come in one step."""
    run = _Run(queue[0][1].memory)
    room = run.memory.tokens_at_once
    while queue:
        index, arrival = queue[0]
        if run.of and arrival.after_gap:
            break  # only the first frame of a step can be after a gap
        try:
            tokens = run.memory.tokens_of(arrival.picture)
            if run.of and tokens > room:
                break
            if arrival.after_gap and (left := run.memory.left_over()) is not None:
                run.add(index, left)
                break  # this picture's frame is after the gap
            frame = run.memory.collect(arrival.picture, arrival.stamp, after_gap=arrival.after_gap)
        except Exception as error:
            outcomes[index] = error
        else:
            if frame is not None:
                room -= tokens
                run.add(index, frame)
        queue.popleft()
    return run


def _perform(
    runs: list[_Run],
    outcomes: list[Outcome],
    between: Between | None,
    on_retry: Callable[[Exception], None],
) -> None:
    """One pass; or, where that fails, passes over halves."""
    if not runs:
        return
    try:
        _attempt(runs, outcomes, between)
        return
    except Exception as error:
        failure = error.with_traceback(None)  # a traceback would keep the pass's tensors alive
    if len(runs) == len(runs[0].of) == 1:
        outcomes[runs[0].of[0]] = failure
        return
    on_retry(failure)
    if isinstance(failure, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
    cut = len(runs) // 2
    parts = (runs[:cut], runs[cut:]) if cut else ([half] for half in runs[0].halves())
    for part in parts:
        _perform(part, outcomes, between, on_retry)


def _attempt(runs: list[_Run], outcomes: list[Outcome], between: Between | None) -> None:
    model = runs[0].memory.model
    steps: list[tuple[_Run, FrameStep]] = []
    try:
        looked = [
            run.look(features)
            for run, features in zip(runs, _features(model, runs, between), strict=True)
        ]
        numbers = _numbers([glance for _, glance in looked])
        for run, (frames, glance), own in zip(runs, looked, numbers, strict=True):
            if not run.memory.cache.closed:  # not closed while the tower read its pictures
                stamps = [frame.stamp for frame in run.frames]
                steps.append((run, run.memory.begin(frames, stamps, glance, own)))
        if not steps:
            return
        inputs = torch.cat([part for _, step in steps for part in step.inputs])
        packed = PackedPass([row for _, step in steps for row in step.rows], between)
        hidden = model.forward(inputs, packed).split([step.tokens for _, step in steps])
        found = [step.finite(part) for (_, step), part in zip(steps, hidden, strict=True)]
        finite = torch.stack(found).tolist()  # the one wait for the device
    except BaseException:
        for run, step in steps:
            run.memory.abandon(step)
        raise
    ended = 0
    try:
        for (run, step), good in zip(steps, finite, strict=True):
            ended += 1
            try:
                outcome = run.memory.end(step, good)
            except Exception as error:
                run.memory.abandon(step)
                for index in run.of:
                    outcomes[index] = error
            else:
                outcomes[run.of[-1]] = outcome
                if outcome is not None and between is not None:
                    between()  # many compressions in a row would keep a question waiting
    except BaseException:
        for run, step in steps[ended:]:
            run.memory.abandon(step)
        raise


def _numbers(glances: Sequence[Glance | None]) -> list[list[list[float]]]:
    """The numbers of every glance, read at once: a wait for the device, if there are any."""
    there = [glance.numbers for glance in glances if glance is not None]
    rows = iter(torch.cat(there).tolist() if there else [])
    return [[] if glance is None else list(islice(rows, len(glance.numbers))) for glance in glances]


def _features(model: VideoModel, runs: list[_Run], between: Between | None) -> list[list[Tensor]]:
    """The tower's features of all frames, by run: [tokens, width] each."""
    pictures = [picture for run in runs for own in run.frames for picture in own.pictures]
    encoded = iter(model.encode(pictures, between))
    return [list(islice(encoded, len(run.of))) for run in runs]
