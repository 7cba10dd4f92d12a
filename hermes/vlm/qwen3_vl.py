"""Qwen3-VL (arXiv 2511.21631): marks around every frame, features for deeper layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hermes.memory import FrameLayout
from hermes.vlm.qwen_vl import QwenVL, token, widened


class Qwen3VL(QwenVL):
    """`hermes.vlm.base.VideoModel` over `Qwen3VLForConditionalGeneration`.

    Every frame is enclosed by a `vision_start` and a `vision_end`, which count as
    tokens of the frame, and starts after the largest position of the one
    before. These are the positions that transformers gives such a sequence of
    tokens, and that the model knows from several pictures in a row. The stock
    processor also writes the time before each frame of a video
    (`<12.5 seconds>`). That text is omitted, since a stream has no second 0 and
    its frames must all have the same number of tokens: the model sees the order
    of frames, but not their times.

    Each of its first layers adds features of its own to a frame's tokens
    (DeepStack). They are further columns after the embedding, and zero for
    text.
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
    ) -> None:
        super().__init__(model, tokenizer, folder, name, frame_size=frame_size)
        config = model.config
        self._further = len(config.vision_config.deepstack_visual_indexes) * self._hidden
        self.layout = FrameLayout.marked(*self._grid, self.shape.device)
        marks = [config.vision_start_token_id, config.vision_end_token_id]
        self._start, self._end = self.embed(marks)

    def _video_text(self, tokenizer: Any) -> str:
        config = self._model.config
        ids = (config.vision_start_token_id, config.video_token_id, config.vision_end_token_id)
        return "".join(token(tokenizer, id) for id in ids)

    def _frames_of(self, found: Any, frames: int) -> Tensor:
        # One tensor for each level; for each level and video in newer transformers.
        levels = [
            level if isinstance(level, Tensor) else torch.cat(tuple(level))
            for level in found.deepstack_features
        ]
        embedded = torch.cat(tuple(found.pooler_output))
        tokens = torch.cat((embedded, *levels), dim=-1).to(self.shape.dtype)
        start, end = (mark.expand(frames, 1, -1) for mark in (self._start, self._end))
        return torch.cat((start, tokens.view(frames, -1, tokens.shape[-1]), end), dim=1)

    def embed(self, token_ids: list[int]) -> Tensor:
        """Inputs [n, width] of token ids; text has no features for deeper layers."""
        return widened(super().embed(token_ids), self._further)

    def _beside(self, inputs: Tensor) -> dict[str, Any]:
        features = inputs[:, self._hidden :]
        seen = features.any(dim=1)
        if not bool(seen.any()):
            return {}
        levels = features[seen].split(self._hidden, dim=1)
        return {"visual_pos_masks": seen.unsqueeze(0), "deepstack_visual_embeds": list(levels)}
