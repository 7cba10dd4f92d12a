"""Qwen2.5-VL (arXiv 2502.13923): two pictures a frame, positions in time that follow the clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput
from hermes.memory import FrameLayout
from hermes.vlm.encoded import EncodedFrame, FrameTime
from hermes.vlm.qwen_vl import QwenVL

_EARLY = 0.05
"""Part of a step in time that a picture may be early. Cameras are not exact to the millisecond."""


class Qwen25VL(QwenVL):
    """`hermes.vlm.base.VideoModel` over `Qwen2_5_VLForConditionalGeneration`.

    The stream is one video: a mark before it ends the prefix, a mark after it
    begins each question. All tokens of a frame have one position in time: the
    time of its first picture since the stream's first one, in steps of which the
    model knows `tokens_per_second`, rounded down as transformers does it. Each
    time is rounded by itself, so that no error adds up at any rate. Text
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
        frame_tokens: int | None = None,
        frames_per_second: float | None = None,
    ) -> None:
        """`frames_per_second`: the rate of pictures for `layout`, which knows no times; by default
        that of its video processor.
        """
        super().__init__(
            model, tokenizer, folder, name, frame_size=frame_size, frame_tokens=frame_tokens
        )
        rate = self.patches.frames_per_second if frames_per_second is None else frames_per_second
        if not rate > 0:
            raise InvalidInput("frames_per_second", f"{rate} must be more than 0")
        self._steps_per_second = float(model.config.vision_config.tokens_per_second)
        self._step = max(1, round(self._steps_per_second * self.pictures_per_frame / rate))

    def timed(self, frame: EncodedFrame, time: FrameTime) -> EncodedFrame:
        """The frame at its position in time."""
        now = self._steps(time.pictures_ms[0])
        before = now if time.before_ms is None else self._steps(time.before_ms)
        still = (0,) * frame.layout.axes
        return replace(
            frame, layout=replace(frame.layout, advance=still, lead=max(0, now - before))
        )

    def _steps(self, time_ms: int) -> int:
        return int(time_ms / 1000 * self._steps_per_second + _EARLY)

    def _new_layout(self, rows: int, columns: int) -> FrameLayout:
        return FrameLayout.grid(rows, columns, self._step, self.shape.device)
