"""Every way to remember that can be compared, by name: retention policies and others."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.baselines.frame_retrieval import FrameRetrieval
from hermes.errors import InvalidInput
from hermes.evaluation.last_frames import LastFrames
from hermes.evaluation.memory import Memory
from hermes.memory import POLICIES, ChangeConfig
from hermes.vlm import VideoMemory, VideoModel

CHANGES = "hermes, changes"
"""The policy `hermes` over what changed, with the newest frame in full before each question."""

MemoryFactory = Callable[[VideoModel, int, int], Memory]
"""(model, budget in video tokens per layer, frames between two compressions) -> an empty memory."""


def _retaining(policy: str) -> MemoryFactory:
    return lambda model, budget, every: VideoMemory(
        model, policy, budget=budget, compress_every_frames=every
    )


def _last_frames(model: VideoModel, budget: int, _: int) -> Memory:
    return LastFrames(model, frames=_whole_frames(model, budget))


def _retrieval(model: VideoModel, budget: int, every: int) -> Memory:
    return FrameRetrieval(model, fetched_frames=_whole_frames(model, budget), window_slack=every)


def _whole_frames(model: VideoModel, budget: int) -> int:
    tokens = model.layout.tokens
    if budget < tokens:
        raise InvalidInput(
            "budget", f"{budget} tokens are less than one frame: this model makes {tokens}"
        )
    return budget // tokens


def _changes(model: VideoModel, budget: int, every: int) -> Memory:
    return VideoMemory(
        model, "hermes", budget=budget, compress_every_frames=every, changes=ChangeConfig()
    )


MEMORIES: dict[str, MemoryFactory] = {
    CHANGES: _changes,
    **{name: _retaining(name) for name in POLICIES},
    LastFrames.name: _last_frames,
    FrameRetrieval.name: _retrieval,
}
"""Every way to remember, at the same budget: no answer reads more video tokens in a layer.

`last-frames` reads as many frames as the budget has tokens for; SimpleStream's
own four are `LastFrames(model, frames=4)`.
"""
