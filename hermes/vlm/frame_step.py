"""Frames of one memory on their way through a pass, which may be shared with other memories."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hermes.memory import AppendRow, Row


class FrameStep:
    """What one memory puts into a pass: its frames and, before a compression, guidance prompts.

    `inputs`: embeddings, one [n, width] for each of `rows`. `due`: a
    compression follows.
    """

    def __init__(self, frames: AppendRow, features: Tensor, due: bool) -> None:
        self.frames = frames
        self.due = due
        self.inputs: list[Tensor] = [features]
        self.rows: list[Row] = [frames]

    def guide(self, prompts: Sequence[Tensor], rows: Sequence[Row]) -> None:
        """Pack guidance prompts behind the frames."""
        self.inputs += prompts
        self.rows += rows

    def finite(self, hidden: Tensor) -> Tensor:
        """[2] bool on the device, as `AppendRow.finite`. `hidden`: [tokens of the step, hidden]."""
        return self.frames.finite(hidden[: self.frames.tokens])

    @property
    def tokens(self) -> int:
        """How many tokens of the pass are this step's."""
        return sum(row.tokens for row in self.rows)
