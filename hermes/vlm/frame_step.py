"""Frames of one memory in a pass, which other memories may share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hermes.memory import AppendRow, Row
from hermes.vlm.live_picture import Changed


class FrameStep:
    """What one memory adds to a pass: frames and, before a compression, guidance prompts.

    `inputs`: embeddings [n, width] of the tokens of `rows`, in order. `due`: whether
    a compression follows.
    """

    def __init__(
        self,
        frames: AppendRow,
        features: Sequence[Tensor],
        due: bool,
        changed: Changed | None = None,
    ) -> None:
        """`features`: one [tokens, width] for each frame. `changed`: what else is known of them."""
        self.frames = frames
        self.changed = changed
        self.due = due
        self.inputs: list[Tensor] = list(features)
        self.rows: list[Row] = [frames]

    def guide(self, prompts: Sequence[Tensor], rows: Sequence[Row]) -> None:
        """Pack guidance prompts after the frames."""
        self.inputs += prompts
        self.rows += rows

    def finite(self, hidden: Tensor) -> Tensor:
        """[2] bool on the device, as `AppendRow.finite`. `hidden`: [tokens of the step, hidden]."""
        return self.frames.finite(hidden[: self.frames.tokens])

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this step."""
        return sum(row.tokens for row in self.rows)
