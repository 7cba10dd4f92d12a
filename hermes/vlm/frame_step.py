"""Frames of one memory in a pass, which other memories may share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hermes.memory import AppendRow, Row
from hermes.vlm.encoded import EncodedFrame
from hermes.vlm.live_picture import Changed


class FrameStep:
    """What one memory adds to a pass: frames and, before a compression, guidance prompts.

    `inputs`: embeddings [n, width] of the tokens of `rows`, in order. `due`: whether
    a compression follows. `first_ms`, `last_ms`: when the first pictures of the
    first and of the last frame were captured.
    """

    def __init__(
        self,
        frames: AppendRow,
        encoded: Sequence[EncodedFrame],
        due: bool,
        changed: Changed | None = None,
    ) -> None:
        """`encoded`: what of each frame is taken in. `changed`: what else is known of them."""
        self.frames = frames
        self.changed = changed
        self.due = due
        self.first_ms, self.last_ms = encoded[0].first_ms, encoded[-1].first_ms
        self.inputs: list[Tensor] = [frame.features for frame in encoded]
        self.rows: list[Row] = [frames]

    def guide(self, prompts: Sequence[Tensor], rows: Sequence[Row]) -> None:
        """Pack guidance prompts after the frames."""
        self.inputs += prompts
        self.rows += rows

    def finite(self, hidden: Tensor) -> Tensor:
        """[2] bool on the device, as `AppendRow.finite`. `hidden`: [tokens of the step, hidden]."""
        return self.frames.finite(hidden[: self.frames.tokens])

    @property
    def count(self) -> int:
        """How many frames it has."""
        return len(self.frames.stamps)

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this step."""
        return sum(row.tokens for row in self.rows)
