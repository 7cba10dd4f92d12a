"""The contenders: every way to remember, and HERMES with one choice changed at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch

from benchmarks.baselines.memories import MEMORIES
from hermes.evaluation.memory import Memory
from hermes.memory import (
    Candidates,
    ChangeConfig,
    Hermes,
    HermesConfig,
    MemoryConfig,
    RetentionPolicy,
    Selection,
    SlidingWindow,
)
from hermes.vlm import VideoMemory, VideoModel

Contender = Callable[[VideoModel, int, int], Memory]
"""(model, budget in video tokens per layer, frames between two compressions) -> a new memory."""

UNBOUNDED_FRAMES = 256
RESERVE = 96
"""Positions kept free for a question and its answer."""


def retaining(
    policy: Callable[[], RetentionPolicy], reindex: Literal["lazy", "eager"] | None = None
) -> Contender:
    """A bounded memory under a retention policy."""

    def make(model: VideoModel, budget: int, every: int) -> Memory:
        config = memory_config(model, budget, every)
        if reindex is not None:
            config = replace(config, reindex=reindex)
        return VideoMemory(model, policy(), config=config, compress_every_frames=every)

    return make


def memory_config(model: VideoModel, budget: int, every: int) -> MemoryConfig:
    """A memory within the demo model's few positions."""
    return MemoryConfig(
        budget=budget,
        headroom=every * model.layout.tokens,
        position_limit=model.position_limit,
        position_reserve=RESERVE,
    )


def hermes(config: HermesConfig, reindex: Literal["lazy", "eager"] | None = None) -> Contender:
    """HERMES, configured."""
    return retaining(lambda: Hermes(config), reindex)


class Unguided(Hermes):
    """HERMES without guidance prompts, so that only recency counts."""

    def __init__(self) -> None:
        super().__init__()
        self.guided = False

    def select(self, candidates: Candidates, budget: int) -> Selection:
        """As HERMES would if every token got the same attention."""
        flat = torch.zeros(
            (2, candidates.layers, candidates.count), device=candidates.frames.device
        )
        return super().select(replace(candidates, attention=flat), budget)


def ablations() -> dict[str, Contender]:
    """The default with one choice changed at a time."""
    base = HermesConfig()
    changed: dict[str, Contender] = {}
    choices: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("smoothing", ("off", "index", "identity")),
        ("summary", ("off", "paper", "pinned")),
        ("normalise", ("minmax", "rank")),
        ("weights", ("paper", "published_code")),
        ("recent_frames", (0, 1, 2, 4, 8)),
        ("novelty", (0.0, 0.5, 1.0)),
        ("agreement", (0.0, 0.5, 1.0)),
    )
    for field, values in choices:
        for value in values:
            if getattr(base, field) != value:
                changed[f"{field}={value}"] = hermes(replace(base, **{field: value}))
    changed["reindex=eager"] = hermes(base, "eager")
    changed["no guidance"] = retaining(Unguided)
    return changed


def taking_changes(
    changes: ChangeConfig, present_frames: int = 1, config: HermesConfig | None = None
) -> Contender:
    """HERMES over what changed."""

    def make(model: VideoModel, budget: int, every: int) -> Memory:
        return VideoMemory(
            model,
            Hermes(config),
            config=memory_config(model, budget, every),
            compress_every_frames=every,
            changes=changes,
            present_frames=present_frames,
        )

    return make


def change_settings() -> dict[str, Contender]:
    """Taking in changes, with one choice changed at a time."""
    base = ChangeConfig()
    changed = {
        f"threshold={value}": taking_changes(replace(base, threshold=value))
        for value in (0.05, 0.3, 0.5)
    }
    changed |= {f"noise={n:g}": taking_changes(replace(base, noise=n)) for n in (3.0, 12.0)}
    changed |= {f"around={n}": taking_changes(replace(base, around=n)) for n in (0, 2)}
    changed |= {f"present frames={n}": taking_changes(base, n) for n in (0, 2)}
    changed["refresh every 60 s"] = taking_changes(replace(base, refresh_s=60))
    changed["changes, novelty=0"] = taking_changes(base, 1, HermesConfig(novelty=0))
    changed["changes, recent_frames=0"] = taking_changes(base, 1, HermesConfig(recent_frames=0))
    return changed


def contenders() -> dict[str, Contender]:
    """Every way to remember, by name."""
    return dict(MEMORIES)


def unbounded(model: VideoModel, budget: int, every: int) -> Memory:
    """Keeps everything, whatever the `budget`. Positions exceed those the model was made for."""
    config = MemoryConfig(
        budget=UNBOUNDED_FRAMES * model.layout.tokens,
        headroom=every * model.layout.tokens,
        position_limit=1 << 20,
    )
    return VideoMemory(model, SlidingWindow(), config=config, compress_every_frames=every)
