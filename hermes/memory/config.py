"""How HERMES scores, smooths and summarises: the paper's choices and their alternatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hermes.errors import InvalidInput

Weights = Literal["paper", "published_code"]
Smoothing = Literal["off", "index", "identity"]
Normalise = Literal["minmax", "minmax_epsilon", "rank"]
Summary = Literal["off", "paper", "published_code", "pinned"]
Guidance = Literal["pass", "embeddings"]

LATER = "later"
"""Marks a field that snapshots of earlier releases do not have: its default is what they meant."""


@dataclass(frozen=True, slots=True)
class HermesConfig:
    """Settings of the HERMES policy (arXiv 2601.14724, section 3).

    `weights`: how attention and recency are blended in the middle band:
    `paper`, w = 0.75 - 0.6 p, or `published_code`, w = 1 - 0.9 p, where p is
    the progress of a layer through the band.
    `smoothing`: which scores of the next deeper layer are mixed into a layer's:
    those at the same `index`, as in the paper, or of the same `identity` (frame, patch).
    `normalise`: `minmax`; `minmax_epsilon`, with 1e-6 added to the span, as in the
    authors' code; or `rank`, on which outliers have no effect.
    `summary`: how evicted tokens of the deep band are summarised. `paper`: one
    token at the newest position, averaged again at each compression.
    `published_code`: a new token at the newest position at each compression;
    older ones are scored, kept or averaged as every other token is. `pinned`:
    at most `summary_ring` tokens, each at a position of what it summarises,
    never averaged again. `off`: not at all.
    `recent_frames`: how many of the newest frames every layer keeps whole.
    `novelty`: from 0 to 1, how much of a token's score depends on its difference
    from the last token of the same patch (`hermes.memory.novelty`).
    `agreement`: from 0 to 1, how much of a token's score is its mean over the
    layers that hold it (`hermes.memory.agreement`).
    `guidance`: what the guidance prompts are. `pass`: a forward pass, which reads
    the memory in every layer. `embeddings`, as in the authors' code: in every
    layer the queries and keys of the bare text's embeddings, without a causal mask.
    """

    weights: Weights = "paper"
    smoothing: Smoothing = "identity"
    normalise: Normalise = "minmax"
    summary: Summary = "pinned"
    summary_ring: int = 16
    recent_frames: int = 2
    novelty: float = 1.0
    agreement: float = 0.5
    guidance: Guidance = field(default="pass", metadata={LATER: True})

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {
            "weights": ("paper", "published_code"),
            "smoothing": ("off", "index", "identity"),
            "normalise": ("minmax", "minmax_epsilon", "rank"),
            "summary": ("off", "paper", "published_code", "pinned"),
            "guidance": ("pass", "embeddings"),
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
    normalise="minmax_epsilon",
    summary="published_code",
    recent_frames=0,
    novelty=0,
    agreement=0,
    guidance="embeddings",
)
"""What the authors' code does. docs/memory.md says in what this still differs from it."""

PRESETS = {"default": HermesConfig(), "paper": PAPER, "published_code": PUBLISHED_CODE}
"""Configurations by name."""
