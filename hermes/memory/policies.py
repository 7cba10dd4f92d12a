"""Retention policies: which tokens a memory keeps when it is over its budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.agreement import agreed
from hermes.memory.bands import Bands
from hermes.memory.config import PRESETS, HermesConfig
from hermes.memory.novelty import novelty
from hermes.memory.scores import layer_scores, smooth, top
from hermes.memory.summary import (
    SUMMARY_PATCH,
    Summaries,
    merge_evicted,
    merge_newest,
    merge_pinned,
)
from hermes.memory.texts import with_whole_texts


@dataclass(frozen=True, slots=True)
class Candidates:
    """The video tokens that a policy chooses from, in stream order.

    `frames`, `patches`: [layers, n], the identity of each token in each layer;
    a summary has patch -1. `seen`: how many frames the stream has had so far.
    `attention`: [2, layers, n], the weight that the global and the mixed
    guidance prompt give each token; None for a policy that is not guided.
    `values`: [layers, kv_heads, n, head_dim], as cached; must not be changed.
    `present`: [layers, n] bool, tokens that show the present picture and must stay; None if
    the newest frames show it.
    `texts`: whether frames have texts of their own (`hermes.memory.texts`).
    """

    frames: Tensor
    patches: Tensor
    seen: int
    attention: Tensor | None = None
    values: Tensor | None = None
    present: Tensor | None = None
    texts: bool = False

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return self.frames.shape[0]

    @property
    def count(self) -> int:
        """How many tokens each layer holds."""
        return self.frames.shape[1]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a memory keeps.

    `keep`: [layers, budget] int64, indices of candidates, in their new order.
    `summaries`: how evicted tokens of some layers are averaged into one of `keep`.
    """

    keep: Tensor
    summaries: Summaries | None = None


class RetentionPolicy(Protocol):
    """Chooses what each layer keeps."""

    @property
    def name(self) -> str:
        """The policy's name in settings, logs and tables."""
        ...

    @property
    def guided(self) -> bool:
        """Whether it needs the guidance prompts' attention."""
        ...

    def select(self, candidates: Candidates, budget: int) -> Selection:
        """Choose `budget` tokens of each layer, from more candidates than that."""
        ...


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """First in, first out: every layer keeps the newest tokens."""

    name: str = "sliding-window"
    guided: bool = False

    def select(self, candidates: Candidates, budget: int) -> Selection:
        """The last `budget` tokens of every layer."""
        newest = torch.arange(
            candidates.count - budget, candidates.count, device=candidates.frames.device
        )
        return Selection(newest.expand(candidates.layers, budget))


@dataclass(frozen=True, slots=True)
class AttentionSinks:
    """The first tokens and the newest ones (StreamingLLM, arXiv 2309.17453)."""

    sinks: int = 64
    name: str = "attention-sinks"
    guided: bool = False

    def select(self, candidates: Candidates, budget: int) -> Selection:
        """The first `sinks` tokens (at most half of the budget) and the last ones."""
        first = min(self.sinks, budget // 2)
        device = candidates.frames.device
        newest = torch.arange(candidates.count - (budget - first), candidates.count, device=device)
        kept = torch.cat((torch.arange(first, device=device), newest))
        return Selection(kept.expand(candidates.layers, budget))


@dataclass(frozen=True, slots=True)
class UniformFrames:
    """Frames spread evenly over the whole stream, the newest always included."""

    name: str = "uniform"
    guided: bool = False

    def select(self, candidates: Candidates, budget: int) -> Selection:
        """Drop frames until the rest fits: each time the one with the closest neighbours.

        The first and the newest are never dropped. Room that is left over goes
        to the frame that was dropped last.
        """
        frames = candidates.frames[0]
        held, counts = torch.stack(frames.unique(return_counts=True)).tolist()
        sizes = dict(zip(held, counts, strict=True))
        total, last = sum(sizes.values()), held[0]
        while total > budget:
            inner = range(1, len(held) - 1)
            closest = min(inner, key=lambda i: held[i + 1] - held[i - 1], default=0)
            last = held.pop(closest)
            total -= sizes[last]
        staying = torch.isin(frames, torch.tensor(held, device=frames.device))
        priority = staying.to(torch.float32) + 0.5 * (frames == last)
        return Selection(top(priority, budget).expand(candidates.layers, budget))


class Hermes:
    """The layer-wise policy of HERMES (arXiv 2601.14724), with improvements."""

    def __init__(self, config: HermesConfig | None = None, name: str = "hermes") -> None:
        self.config = HermesConfig() if config is None else config
        self.name = name
        self.guided = True

    def select(self, candidates: Candidates, budget: int) -> Selection:
        """The best `budget` tokens of each layer by its smoothed score, in stream order."""
        if candidates.attention is None:
            raise InvalidInput("attention", "the HERMES policy needs guidance")
        config, bands = self.config, Bands.of(candidates.layers)
        recent = candidates.frames >= candidates.seen - config.recent_frames
        if candidates.present is not None:
            recent = recent | candidates.present
        run = self._checked(candidates.attention, recent, candidates.present, budget)
        scores = smooth(
            layer_scores(candidates.attention, bands, config),
            candidates.frames,
            candidates.patches,
            bands,
            config,
        )
        if config.novelty and candidates.values is not None:
            new = novelty(candidates.values, candidates.patches, run)
            scores = scores * (1 - config.novelty + config.novelty * new)
        if config.agreement:
            tokens = candidates.frames, candidates.patches
            scores = agreed(scores, *tokens, bands, config.agreement)
        scores = torch.where(recent, torch.inf, scores)
        if candidates.texts:
            scores = self._with_whole_texts(scores, candidates, bands, budget)
        keep = top(scores, budget)
        if config.summary == "off":
            return Selection(keep)
        deep = slice(bands.long_term.start, bands.long_term.stop)
        held = candidates.patches[deep] == SUMMARY_PATCH
        keep[deep], summaries = self._summarised(scores[deep], held, budget, deep)
        return Selection(keep, summaries)

    def _checked(
        self, attention: Tensor, recent: Tensor, present: Tensor | None, budget: int
    ) -> int:
        """With how many tokens before it novelty compares a token: half a picture's, of changes.

        Raises `InvalidInput` if the attention is not finite, or too much must stay. What
        it asks of the device comes in one wait.
        """
        shown = recent if present is None else present
        found = [torch.isfinite(attention).all(), *(part.sum(1).max() for part in (recent, shown))]
        finite, tokens, places = torch.stack([part.to(torch.int64) for part in found]).tolist()
        if not finite:
            raise InvalidInput("attention", "holds values that are not finite")
        self._check_recent(tokens, budget)
        return 0 if present is None else places // 2

    def _with_whole_texts(
        self, scores: Tensor, candidates: Candidates, bands: Bands, budget: int
    ) -> Tensor:
        config, first, held = self.config, bands.long_term.start, candidates
        staying = min(config.summary_ring - 1, budget - 1) if config.summary == "pinned" else 0
        parts = [
            with_whole_texts(scores[some], held.frames[some], held.patches[some], *counts)
            for some, counts in (
                (slice(0, first), (budget, 0)),
                (slice(first, None), (budget - (config.summary != "off"), staying)),
            )
        ]
        return torch.cat(parts)

    def check_room(self, budget: int, frame_tokens: int, *, keep_present: bool = False) -> None:
        """Raises `InvalidInput` if the newest frames could never be kept whole in `budget`.

        `keep_present`: or the newest token of every place.
        """
        frames = max(self.config.recent_frames, int(keep_present))
        self._check_recent(frames * frame_tokens, budget)

    def _check_recent(self, tokens: int, budget: int) -> None:
        needed = tokens + (self.config.summary != "off")  # the summary takes one more
        if tokens and needed > budget:
            raise InvalidInput(
                "recent_frames",
                f"the newest {self.config.recent_frames} frames do not fit into {budget} tokens:"
                f" raise the budget to {needed}, or keep fewer frames whole",
            )

    def _summarised(
        self, scores: Tensor, held: Tensor, budget: int, layers: slice
    ) -> tuple[Tensor, Summaries]:
        if self.config.summary == "paper":
            return merge_newest(scores, held, budget, layers)
        if self.config.summary == "published_code":
            return merge_evicted(scores, budget, layers)
        return merge_pinned(scores, held, budget, layers, self.config.summary_ring)


def _hermes(preset: str, name: str) -> Callable[[], RetentionPolicy]:
    return lambda: Hermes(PRESETS[preset], name)


POLICIES: dict[str, Callable[[], RetentionPolicy]] = {
    "hermes": _hermes("default", "hermes"),
    "hermes-paper": _hermes("paper", "hermes-paper"),
    "hermes-published-code": _hermes("published_code", "hermes-published-code"),
    "sliding-window": SlidingWindow,
    "attention-sinks": AttentionSinks,
    "uniform": UniformFrames,
}
"""Every policy by the name that settings use."""
