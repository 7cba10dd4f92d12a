"""Qwen2.5-VL (arXiv 2502.13923): two pictures a frame, time positions that follow the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.memory import FrameLayout
from hermes.vlm.qwen_vl import QwenVL, token


class Qwen25VL(QwenVL):
    """`hermes.vlm.base.VideoModel` over `Qwen2_5_VLForConditionalGeneration`.

    The stream is one video: a mark before it ends the prefix, a mark after it
    begins each question. All tokens of a frame have one position in time. The
    next frame's is later by the time that its pictures take, at
    `tokens_per_second`, rounded to a whole number of at least one. Text
    continues after the largest position of all, as the model was trained;
    transformers' own `get_rope_index` (5.23) continues after the frame's height
    or width, which is in the middle of a longer video.
    """

    model_type = "qwen2_5_vl"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        folder: Path,
        name: str,
        *,
        frame_size: tuple[int, int] | None = None,
        frames_per_second: float | None = None,
    ) -> None:
        """`frames_per_second`: the rate of pictures, by default that of its video processor."""
        super().__init__(model, tokenizer, folder, name, frame_size=frame_size)
        rate = self.patches.frames_per_second if frames_per_second is None else frames_per_second
        if not rate > 0:
            raise InvalidInput("frames_per_second", f"{rate} must be more than 0")
        ticks = model.config.vision_config.tokens_per_second * self.pictures_per_frame / rate
        step = max(1, round(ticks))
        self._step = step
        if step > self.layout.tokens:  # a memory assumes at most one position a token
            raise InvalidInput(
                "frames_per_second", f"{rate}: a frame would take {step} positions in time"
            )

    def _new_layout(self, rows: int, columns: int) -> FrameLayout:
        return FrameLayout.grid(rows, columns, self._step, self.shape.device)

    def _video_text(self, tokenizer: Any) -> str:
        return token(tokenizer, self._model.config.video_token_id)
