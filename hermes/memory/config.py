"""How HERMES scores, smooths and summarises: the paper's choices and their alternatives."""

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
    `smoothing`: which scores of the next deeper layer are mixed into a layer's:
    those at the same `index`, as in the paper, or of the same `identity` (frame, patch).
    `normalise`: `minmax`, or `rank`, on which outliers have no effect.
    `summary`: how evicted tokens of the deep band are summarised. `paper`: one
    token at the newest position, averaged again at each compression. `pinned`:
    at most `summary_ring` tokens, each at a position of what it summarises,
    never averaged again. `off`: not at all.
    `recent_frames`: how many of the newest frames every layer keeps whole.
    `novelty`: from 0 to 1, how much of a token's score depends on its difference
    from the last token of the same patch (`hermes.memory.novelty`).
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
"""The method as the paper describes it."""

PUBLISHED_CODE = HermesConfig(
    weights="published_code",
    smoothing="index",
    summary="paper",
    recent_frames=0,
    novelty=0,
    agreement=0,
)
"""As `PAPER`, with the blending weights of the authors' code."""

PRESETS = {"default": HermesConfig(), "paper": PAPER, "published_code": PUBLISHED_CODE}
"""Configurations by name."""
