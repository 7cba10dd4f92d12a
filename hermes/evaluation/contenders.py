"""The ways to remember that are compared, each within the same budget."""

from __future__ import annotations

from collections.abc import Callable

from hermes.errors import InvalidInput
from hermes.evaluation.last_frames import LastFrames
from hermes.evaluation.memory import Memory
from hermes.memory import POLICIES, ChangeConfig, MemoryConfig, SlidingWindow
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.video_memory import position_reserve

CHANGES = "hermes-changes"
"""`hermes` over what changed, with the newest frame in full before each question: what a worker
does by default.
"""

FULL = "full"
"""Everything is kept, where the model has as many positions. It has no budget."""

DEFAULT = ("hermes", "hermes-paper", "last-frames", "uniform")

Maker = Callable[[VideoModel, int, int, int], Memory]
"""(model, budget in video tokens per layer, frames between two compressions, frames of the video)
-> a new memory.
"""


def _retaining(policy: str) -> Maker:
    return lambda model, budget, every, _: VideoMemory(
        model, policy, budget=budget, compress_every_frames=every
    )


def _changes(model: VideoModel, budget: int, every: int, _: int) -> Memory:
    return VideoMemory(
        model, "hermes", budget=budget, compress_every_frames=every, changes=ChangeConfig()
    )


def _last_frames(model: VideoModel, budget: int, _: int, __: int) -> Memory:
    return LastFrames(model, budget=budget)


def _full(model: VideoModel, _: int, every: int, frames: int) -> Memory:
    config = MemoryConfig(
        budget=max(1, frames) * model.most_frame_tokens,
        headroom=every * model.most_frame_tokens,
        position_limit=model.position_limit,
        position_reserve=position_reserve(model),
    )
    return VideoMemory(model, SlidingWindow(), config=config, compress_every_frames=every)


CONTENDERS: dict[str, Maker] = {
    **{name: _retaining(name) for name in POLICIES},
    CHANGES: _changes,
    LastFrames.name: _last_frames,
    FULL: _full,
}
"""Every way to remember, by the name that the command line and results files use."""


def check_names(names: list[str] | tuple[str, ...]) -> None:
    """Raises `InvalidInput` for an unknown name, or one that is given twice."""
    for name in names:
        if name not in CONTENDERS:
            raise InvalidInput("policy", f"{name} is unknown; known: {', '.join(CONTENDERS)}")
    if len(set(names)) < len(names):
        raise InvalidInput("policy", "is given twice")
