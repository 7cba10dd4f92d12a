"""Qwen3-VL (arXiv 2511.21631): marks around every frame, features for deeper layers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hermes.memory import FrameLayout
from hermes.vlm.qwen_vl import QwenVL, token, widened

_LEVELS = "hermes_levels"
"""Argument of the language model's layers: features [n, hidden] for each of the first ones."""


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
        self.levels = 1 + self._further // self._hidden
        for level in range(self._further // self._hidden):
            layer = self.language.layers[level]
            layer.register_forward_hook(partial(_add_level, level), with_kwargs=True)
        marks = [config.vision_start_token_id, config.vision_end_token_id]
        self._start, self._end = self.embed(marks)

    def _video_text(self, tokenizer: Any) -> str:
        config = self._model.config
        ids = (config.vision_start_token_id, config.video_token_id, config.vision_end_token_id)
        return "".join(token(tokenizer, id) for id in ids)

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

    def _beside(self, inputs: Tensor) -> dict[str, Any]:
        return {_LEVELS: inputs[:, self._hidden :].split(self._hidden, dim=1)}


def _add_level(
    level: int, layer: nn.Module, inputs: Any, named: dict[str, Any], output: Tensor
) -> Tensor:
    """Add a level of features to the output of the layer that it belongs to.

    The model's own way to add them asks the device which tokens are a picture's,
    and waits for the answer. These are zero for text, so there is nothing to ask.
    """
    features: Tensor = named[_LEVELS][level]
    return output + features


class Qwen3VLMoe(Qwen3VL):
    """The same over `Qwen3VLMoeForConditionalGeneration`: each token has a few experts of many."""

    model_type = "qwen3_vl_moe"
