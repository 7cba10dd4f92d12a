"""Streams and their questions as one packed batch: every question sees its frames and itself.

A sequence is the prefix and the tokens of all frames, followed by slots of equal
length, each with a question and its answer. A question has the positions that it
would have after its last frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from hermes.demo.checkpoint import FRAME_TOKENS
from hermes.demo.training.streams import Stream

IGNORED = -100
NEWLINE = -1
"""In `ids`: the learned newline that closes a video; not a word."""

_NEVER = 1_000_000
_SKIPS, _WIDEST_SKIP = 0.3, 12


@dataclass(frozen=True, slots=True)
class Layout:
    """A batch without its pictures: B streams, V tokens of prefix and video, N slots of L words.

    `ids`, `labels` [B, N, L]: words, and the next word where an answer is to be
    learned. `positions` [B, V + N * L]. `frames` [B, N]: how many a question
    sees. `cue` [B, N]: words of a question up to where its answer begins.
    `kinds`: by stream and question.
    """

    ids: Tensor
    labels: Tensor
    positions: Tensor
    frames: Tensor
    cue: Tensor
    video: int
    kinds: list[list[str]]

    def to(self, device: torch.device) -> Layout:
        """A copy on another device."""
        names = ("ids", "labels", "positions", "frames", "cue")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class Packer:
    """Packs batches for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self.prefix = self._words("<|im_start|>user")
        self._cue = self._words("<|im_end|><|im_start|>assistant")
        self._end = self._words("<|im_end|>")
        self._pad: int = tokenizer.pad_token_id

    def pack(self, streams: Sequence[Stream], generator: torch.Generator | None = None) -> Layout:
        """One batch. All streams have equally many frames and questions.

        `generator`: half of the streams get random skips between their frames'
        positions, as a memory has them: where a token lies in its frame must
        be read off the token.
        """
        slots = [
            [self._slot(asked.text, asked.answer) for asked in stream.asked] for stream in streams
        ]
        longest = max(len(words) for row in slots for words, _ in row)
        size = (len(streams), len(slots[0]), longest)
        ids, labels = torch.full(size, self._pad), torch.full(size, IGNORED)
        for index, row in enumerate(slots):
            for number, (words, start) in enumerate(row):
                line = torch.tensor(words)
                ids[index, number, : len(words) - 1] = line[:-1]
                labels[index, number, start - 1 : len(words) - 1] = line[start:]
        frames = torch.tensor([[asked.frames for asked in stream.asked] for stream in streams])
        count = len(streams[0].pictures)
        skips = torch.zeros((len(streams), count), dtype=torch.int64)
        if generator is not None:
            random = torch.rand((3, len(streams), count), generator=generator)
            skipping = (random[0] < _SKIPS) & (random[1, :, :1] < 0.5)
            skips = (random[2] * _WIDEST_SKIP).long() * skipping
        ends = len(self.prefix) + skips.cumsum(1) + FRAME_TOKENS * torch.arange(1, count + 1)
        line = torch.arange(FRAME_TOKENS) - FRAME_TOKENS
        first = ends.gather(1, frames - 1)
        positions = (
            torch.arange(len(self.prefix)).expand(len(streams), -1),
            (ends[:, :, None] + line).flatten(1),
            (first[:, :, None] + torch.arange(longest)).flatten(1),
        )
        return Layout(
            ids=ids,
            labels=labels,
            positions=torch.cat(positions, dim=1),
            frames=frames,
            cue=torch.tensor([[start for _, start in row] for row in slots]),
            video=len(self.prefix) + count * FRAME_TOKENS,
            kinds=[[asked.kind for asked in stream.asked] for stream in streams],
        )

    def _slot(self, text: str, answer: str) -> tuple[list[int], int]:
        """Words of a question and its answer, and where the answer begins."""
        asked = [NEWLINE, *self._words(text), *self._cue]
        return [*asked, *self._words(answer), *self._end], len(asked)

    def _words(self, text: str) -> list[int]:
        if text not in self._known:
            self._known[text] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return self._known[text]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen, as masks to be added: `video` [B, 1, V, V], `asked` [B, 1, N, 1, V], and
    `own` [L, L] of a question.
    """

    video: Tensor
    asked: Tensor
    own: Tensor

    @classmethod
    def of(
        cls, layout: Layout, prefix: int, dtype: torch.dtype, forgotten: Tensor | None = None
    ) -> Sight:
        """`forgotten` [B, V]: after how many frames a token is no longer seen."""
        count, video, length = len(layout.ids), layout.video, layout.ids.shape[2]
        device = layout.ids.device
        line = torch.arange(video, device=device)
        frame = (line - prefix).div(FRAME_TOKENS, rounding_mode="floor")
        causal = (line[:, None] >= line).expand(count, video, video)
        early = frame < layout.frames[:, :, None]
        if forgotten is not None:
            causal = causal & (frame[None, :, None] < forgotten[:, None, :])
            early = early & (layout.frames[:, :, None] <= forgotten[:, None, :])
        own = torch.ones((length, length), dtype=torch.bool, device=device).tril()
        return cls(
            _additive(causal, dtype).unsqueeze(1),
            _additive(early, dtype)[:, None, :, None],
            _additive(own, dtype),
        )


def attend(query: Tensor, key: Tensor, value: Tensor, sight: Sight, scale: float) -> Tensor:
    """[B, heads, V + N * L, dim] over kv heads likewise -> the same shape as `query`.

    Plain matrix products: on a CPU the fused kernel's backward is many times
    as slow.
    """
    groups = query.shape[1] // key.shape[1]
    query = query * scale
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    length, video = sight.own.shape[0], sight.video.shape[-1]
    seen, words = key[:, :, :video].mT, value[:, :, :video]
    scores = torch.matmul(query[:, :, :video], seen) + sight.video
    watched = torch.matmul(torch.softmax(scores, dim=-1), words)

    def slots(x: Tensor) -> Tensor:
        parts: Tensor = x[:, :, video:].unflatten(2, (-1, length))
        return parts

    asked = slots(query)
    far = torch.matmul(asked.flatten(2, 3), seen).unflatten(2, (-1, length)) + sight.asked
    near = torch.matmul(asked, slots(key).mT) + sight.own
    weights = torch.softmax(torch.cat((far, near), dim=-1), dim=-1)
    answered = torch.matmul(weights[..., :video].flatten(2, 3), words)
    answered = answered + torch.matmul(weights[..., video:], slots(value)).flatten(2, 3)
    out: Tensor = torch.cat((watched, answered), dim=2)
    return out


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The same as a transformers attention function; layers in groups see what `sights` says."""
    sights: list[Sight] = kwargs["sights"]
    index: int = module.layer_idx * len(sights) // module.config.num_hidden_layers  # type: ignore[operator,union-attr,assignment]
    return attend(query, key, value, sights[index], scaling).transpose(1, 2), None


def forgetting(layout: Layout, generator: torch.Generator, prefix: int) -> Tensor:
    """A random `forgotten`: as if a bounded memory of some kind had evicted tokens.

    Half of the streams keep everything. In the others a share of the tokens
    stays for good; the rest leave some frames after they came, token by token
    or frame by frame.
    """
    streams, tokens = len(layout.ids), layout.video - prefix
    frames = tokens // FRAME_TOKENS

    def uniform(*size: int) -> Tensor:
        return torch.rand(size, generator=generator)

    kept = 0.1 + 0.8 * uniform(streams, 1)
    whole = uniform(streams, frames).repeat_interleave(FRAME_TOKENS, dim=1)
    by_frame = uniform(streams, 1) < 0.5
    stays = torch.where(by_frame, whole, uniform(streams, tokens)) < kept
    everything = uniform(streams, 1) < 0.5
    recent = torch.randint(1, 5, (streams, 1), generator=generator)
    mean = 1 + 5 * uniform(streams, 1)
    wait = (-torch.log(uniform(streams, tokens).clamp_min(1e-6)) * mean).long()
    came = torch.arange(frames).repeat_interleave(FRAME_TOKENS)
    forgotten = torch.where(stays | everything, _NEVER, came + 1 + recent + wait)
    return torch.cat((torch.full((streams, prefix), _NEVER), forgotten), dim=1)


def _additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return mask.masked_fill_(~allowed, -torch.inf)
