"""What a run is made with. All of it is in the header of its results."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import hermes
from hermes.errors import InvalidInput
from hermes.evaluation.asking import Asker, PromptStyle
from hermes.evaluation.contenders import DEFAULT, check_names
from hermes.evaluation.item import Benchmark
from hermes.vlm import VideoModel
from hermes.vlm.video_memory import COMPRESS_EVERY_FRAMES

PACKAGES = ("torch", "transformers", "tokenizers", "av", "numpy")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """`tasks`: of the benchmark; none is all. `context_s`: how much of a video before a question
    may be seen; None is all. `shard`: the first of these numbers of so many parts, by videos.
    `limit`: at most so many videos. `max_tokens`: of an answer; None is the benchmark's.
    `compress_every_frames`: as in `VideoMemory`. `together`: frames that are taken in at once, at
    most. `seed`: of intervals.
    """

    policies: tuple[str, ...] = DEFAULT
    budgets: tuple[int, ...] = (4000,)
    fps: float = 1.0
    context_s: float | None = None
    prompt: PromptStyle = "official"
    probabilities: bool = True
    max_tokens: int | None = None
    compress_every_frames: int = COMPRESS_EVERY_FRAMES
    together: int = 16
    tasks: tuple[str, ...] = ()
    limit: int | None = None
    shard: tuple[int, int] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_names(self.policies)
        if not self.policies:
            raise InvalidInput("policy", "at least one is needed")
        if not self.budgets or min(self.budgets) < 1 or len({*self.budgets}) < len(self.budgets):
            raise InvalidInput("budget", "must be one or more different numbers from 1 on")
        if self.fps <= 0:
            raise InvalidInput("fps", "must be more than 0")
        if self.context_s is not None and self.context_s <= 0:
            raise InvalidInput("context", "must be more than 0 seconds, or all")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise InvalidInput("shard", "must be i/n with i from 1 to n")
        for name in ("limit", "max_tokens", "compress_every_frames", "together"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInput(name, "must be at least 1")

    @property
    def contenders(self) -> list[tuple[str, int]]:
        """Who answers: each policy at each budget."""
        return [(policy, budget) for budget in self.budgets for policy in self.policies]

    def asker(self, benchmark: Benchmark) -> Asker:
        """How questions are asked."""
        most = self.max_tokens or benchmark.max_tokens
        return Asker(self.prompt, most, self.probabilities)


def header_of(
    benchmark: Benchmark, model: VideoModel, settings: RunSettings, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """All that a run depends on, and when it began. `chosen`: how the model was loaded."""
    shape = model.shape
    return {
        "benchmark": benchmark.name,
        "data_sha256": benchmark.digest,
        "videos": len(benchmark.videos),
        "items": sum(len(video.items) for video in benchmark.videos),
        "notes": list(benchmark.notes),
        "settings": asdict(settings),
        "model": {
            "name": model.name,
            "family": getattr(model, "model_type", ""),
            "dtype": str(shape.dtype).removeprefix("torch."),
            "layers": shape.layers,
            "bytes_per_token": shape.bytes_per_token,
            "most_frame_tokens": model.most_frame_tokens,
            "pictures_per_frame": model.pictures_per_frame,
            "position_limit": model.position_limit,
            **chosen,
        },
        "device": _name_of(shape.device),
        "versions": {
            "hermes-live": hermes.__version__,
            "python": platform.python_version(),
            **{name: _version_of(name) for name in PACKAGES},
        },
        "times": {"began": datetime.now(UTC).isoformat(timespec="seconds")},
    }


def _name_of(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU"


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
