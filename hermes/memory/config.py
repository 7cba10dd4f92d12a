"""How HERMES scores, smooths and sums up: the paper's choices, and the alternatives to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hermes.errors import InvalidInput

Weights = Literal["paper", "published_code"]
Smoothing = Literal["off", "index", "identity"]
Normalise = Literal["minmax", "rank"]
Summary = Literal["off", "paper", "pinned"]


@dataclass(frozen=True, slots=True)
class HermesConfig:
    """Settings of the HERMES policy (arXiv 2601.14724, section 3).

    `weights`: how attention and recency are blended in the middle band:
    `paper`, w = 0.75 - 0.6 p, or `published_code`, w = 1 - 0.9 p, where p is
    the progress of a layer through the band.
    `smoothing`: what a layer's scores take over from the next deeper one: by
    `index`, as the paper has it, or by `identity`, the same (frame, patch).
    `normalise`: `minmax`, or `rank`, in which no outlier decides.
    `summary`: what becomes of evicted tokens in the deep band. `paper`: one
    token at the newest position, averaged again at each compression. `pinned`:
    a ring of at most `summary_ring`, each at a position of what it sums up,
    never averaged again. `off`: nothing.
    `recent_frames`: newest frames that are kept whole in every layer.
    `novelty`: from 0 to 1, how much of a token's score hangs on its being new
    against the token before it in the same place (`hermes.memory.novelty`).
    `agreement`: from 0 to 1, how much of a token's score is its mean over the
    layers that hold it (`hermes.memory.agreement`).
    """

    weights: Weights = "paper"
    smoothing: Smoothing = "identity"
    normalise: Normalise = "minmax"
    summary: Summary = "pinned"
    summary_ring: int = 16
    recent_frames: int = 2
    novelty: float = 1.0
    agreement: float = 0.5

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {
            "weights": ("paper", "published_code"),
            "smoothing": ("off", "index", "identity"),
            "normalise": ("minmax", "rank"),
            "summary": ("off", "paper", "pinned"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InvalidInput(name, f"must be one of {', '.join(known)}")
        if self.summary_ring < 1:
            raise InvalidInput("summary_ring", "must be at least 1")
        if self.recent_frames < 0:
            raise InvalidInput("recent_frames", "must not be negative")
        for name in ("novelty", "agreement"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(name, "must be from 0 to 1")


PAPER = HermesConfig(smoothing="index", summary="paper", recent_frames=0, novelty=0, agreement=0)
"""The method as the paper states it."""

PUBLISHED_CODE = HermesConfig(
    weights="published_code",
    smoothing="index",
    summary="paper",
    recent_frames=0,
    novelty=0,
    agreement=0,
)
"""The same with the blending weights of the authors' code."""

PRESETS = {"default": HermesConfig(), "paper": PAPER, "published_code": PUBLISHED_CODE}
"""Configurations by name."""
