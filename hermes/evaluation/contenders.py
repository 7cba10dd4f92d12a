"""The ways to remember that are compared, each within the same budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.evaluation.last_frames import LastFrames
from hermes.evaluation.memory import Memory
from hermes.memory import POLICIES, ChangeConfig, MemoryConfig, SlidingWindow
from hermes.vlm import VideoMemory, VideoModel

CHANGES = "hermes-changes"
"""`hermes` over what changed, with the newest frame in full before each question: what a worker
does by default.
"""

FULL = "full"
"""Everything is kept, where the model has as many positions. It has no budget."""

DEFAULT = ("hermes", "hermes-paper", "last-frames", "uniform")


@dataclass(frozen=True, slots=True)
class Room:
    """What a memory is made for. `budget`: video tokens per layer. `every`: frames between two
    compressions. `reserve`: positions for a question and its answer. `frames`: of the video.
    """

    budget: int
    every: int
    reserve: int
    frames: int


Maker = Callable[[VideoModel, Room], Memory]


def _config(model: VideoModel, room: Room, budget: int) -> MemoryConfig:
    return MemoryConfig(
        budget=budget,
        headroom=room.every * model.most_frame_tokens,
        position_limit=model.position_limit,
        position_reserve=room.reserve,
    )


def _retaining(policy: str) -> Maker:
    return lambda model, room: VideoMemory(
        model,
        policy,
        config=_config(model, room, room.budget),
        compress_every_frames=room.every,
    )


def _changes(model: VideoModel, room: Room) -> Memory:
    return VideoMemory(
        model,
        "hermes",
        config=_config(model, room, room.budget),
        compress_every_frames=room.every,
        changes=ChangeConfig(),
    )


def _last_frames(model: VideoModel, room: Room) -> Memory:
    return LastFrames(model, budget=room.budget, reserve=room.reserve)


def _full(model: VideoModel, room: Room) -> Memory:
    config = _config(model, room, max(1, room.frames) * model.most_frame_tokens)
    return VideoMemory(model, SlidingWindow(), config=config, compress_every_frames=room.every)


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
