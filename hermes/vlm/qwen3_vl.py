"""Qwen3-VL (arXiv 2511.21631): marks around every frame, features for deeper layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import FrameLayout
from hermes.question import Turn
from hermes.vlm.encoded import EncodedFrame, FrameTime
from hermes.vlm.qwen_vl import QwenVL, widened

LATEST_S = 999_999_999.9
"""The latest time that is written, after more than thirty years: it bounds a frame's tokens."""

_MARKS = 2
"""Tokens that enclose a frame's picture."""


class Qwen3VL(QwenVL):
    """`hermes.vlm.base.VideoModel` over `Qwen3VLForConditionalGeneration`.

    Every frame is its time as text (`<12.5 seconds>`), a `vision_start`, the
    picture and a `vision_end`, as transformers' own processor writes it; another
    pair of marks encloses the whole video. The text and the marks count as tokens
    of the frame, which starts after the largest position of the one before. The
    time is the mean of its pictures' times since the stream's first picture: a
    stream that is watched for an hour has reached second 3,600.

    Each of its first layers adds features of its own to a frame's tokens
    (DeepStack). They are further columns after the embedding, and zero for
    text, so that no layer asks which tokens are a picture's.
    """

    model_type = "qwen3_vl"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        folder: Path,
        name: str,
        *,
        frame_size: tuple[int, int] | None = None,
        frame_tokens: int | None = None,
    ) -> None:
        super().__init__(
            model, tokenizer, folder, name, frame_size=frame_size, frame_tokens=frame_tokens
        )
        config = model.config
        self._further = len(config.vision_config.deepstack_visual_indexes) * self._hidden
        self.levels = 1 + self._further // self._hidden
        marks = [config.vision_start_token_id, config.vision_end_token_id]
        if not all(0 <= mark < self.decoding.vocabulary for mark in marks):
            raise InvalidInput(
                "model",
                f"{name}: vision_start_token_id or vision_end_token_id is no token that it has",
            )
        self._start, self._end = self.embed(marks)
        self._timed: dict[tuple[tuple[int, ...], int], FrameLayout] = {}
        self._longest_time = len(self._time_ids(LATEST_S))

    @property
    def _text_tokens(self) -> int:
        return _MARKS + self._longest_time

    def timed(self, frame: EncodedFrame, time: FrameTime) -> EncodedFrame:
        """The frame after its time as text."""
        seconds = sum(time.pictures_ms) / len(time.pictures_ms) / 1000
        ids = self._time_ids(min(max(0.0, seconds), LATEST_S))
        known = frame.layout.sides, len(ids)
        if known not in self._timed:
            self._timed[known] = frame.layout.after_text(len(ids))
        features = torch.cat((self.embed(ids), frame.features))
        return replace(frame, features=features, layout=self._timed[known])

    def _time_ids(self, seconds: float) -> list[int]:
        return time_ids(self.tokenizer, seconds)

    def prompt_ids(
        self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True
    ) -> list[int]:
        """As in other families, and what each frame's text has: no digits but 0."""
        ids = super().prompt_ids(text, turns, reasoning=reasoning)
        return [*ids, *self._time_ids(0)]

    def _new_layout(self, rows: int, columns: int) -> FrameLayout:
        return FrameLayout.marked(rows, columns, self.shape.device)

    def _tokens_of(self, found: Any) -> Tensor:
        # One tensor for each level; for each level and video in newer transformers.
        levels = [
            level if isinstance(level, Tensor) else torch.cat(tuple(level))
            for level in found.deepstack_features
        ]
        embedded = torch.cat(tuple(found.pooler_output))
        return torch.cat((embedded, *levels), dim=-1).to(self.shape.dtype)

    def _framed(self, tokens: Tensor) -> Tensor:
        return torch.cat((self._start.unsqueeze(0), tokens, self._end.unsqueeze(0)))

    def embed(self, token_ids: list[int]) -> Tensor:
        """Inputs [n, width] of token ids; text has no features for deeper layers."""
        return widened(super().embed(token_ids), self._further)

    def _levels(self, inputs: Tensor) -> Sequence[Tensor]:
        return inputs[:, self._hidden :].split(self._hidden, dim=1) if self._further else ()


def time_ids(tokenizer: Any, seconds: float) -> list[int]:
    """Token ids of a time as the model's own processor writes it."""
    ids: list[int] = tokenizer(f"<{seconds:.1f} seconds>", add_special_tokens=False)["input_ids"]
    return ids


class Qwen3VLMoe(Qwen3VL):
    """The same over `Qwen3VLMoeForConditionalGeneration`: each token has a few experts of many."""

    model_type = "qwen3_vl_moe"
