"""Frames of many memories in one pass, and all that wait of each: the weights are read once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes.memory import FrameStamp
from hermes.vlm.frame_pass import FramePass, Outcome
from hermes.vlm.frame_run import FrameRun
from hermes.vlm.tower import Between
from hermes.vlm.video_memory import VideoMemory


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A picture [3, height, width] uint8 for a memory."""

    memory: VideoMemory
    picture: Tensor
    stamp: FrameStamp
    after_gap: bool = False


@torch.inference_mode()
def take_together(
    arrivals: Sequence[Arrival],
    between: Between | None = None,
    on_retry: Callable[[Exception], None] = lambda error: None,
) -> list[Outcome]:
    """Take pictures into their memories, all of one model. Outcomes are in the order of arrivals.

    Each memory then holds what `VideoMemory.take` would have made of it, within
    numeric noise: frames of many memories share passes, and so do frames of one
    memory up to its next compression. A pass that fails (out of memory, say) leaves no trace:
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
    passes = FramePass(outcomes, between, on_retry)
    while queues:
        passes.run([_next_run(queue, outcomes) for queue in queues.values()])
        queues = {key: queue for key, queue in queues.items() if queue}
    for memory in {id(arrival.memory): arrival.memory for arrival in arrivals}.values():
        memory.settle()
    return outcomes


def _next_run(queue: deque[tuple[int, Arrival]], outcomes: list[Outcome]) -> FrameRun:
    """As many frames of one memory as the tower may read at once, up to a gap."""
    run = FrameRun(queue[0][1].memory)
    room = run.memory.tokens_at_once
    while queue:
        index, arrival = queue[0]
        if run.pending and arrival.after_gap:
            break  # only the first frame of a run can be after a gap
        try:
            tokens = run.memory.tokens_of(arrival.picture)
            if run.pending and tokens > room:
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
