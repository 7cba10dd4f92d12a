"""The last pictures, encoded anew for every question: the alternative of SimpleStream."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import (
    Branch,
    Compression,
    Coverage,
    FrameStamp,
    MemoryConfig,
    PackedPass,
    SlidingWindow,
    StreamMemory,
)
from hermes.memory.coverage import FrameTable
from hermes.question import Span
from hermes.vlm import VideoModel
from hermes.vlm.encoded import FramePictures
from hermes.vlm.picture_memory import PictureMemory
from hermes.vlm.video_memory import position_reserve


class LastFrames(PictureMemory):
    """Keeps pictures and no cache; a question encodes and prefills the last `frames` of them.

    After SimpleStream (arXiv 2604.02317), whose N is 4: a frame sees nothing
    from before the first of them. Pictures are kept in host memory, unchanged.
    """

    name = "last-frames"

    def __init__(self, model: VideoModel, *, frames: int = 4) -> None:
        super().__init__(model)
        if frames < 1:
            raise InvalidInput("frames", "must be at least 1")
        self._config = MemoryConfig(
            budget=frames * model.layout.tokens,
            headroom=1,
            position_limit=model.position_limit,
            position_reserve=position_reserve(model),
        )
        self._kept: deque[tuple[Tensor, FrameStamp, bool]] = deque(maxlen=frames)
        self._table = FrameTable()

    def _take(self, frame: FramePictures) -> Compression | None:
        self._kept.append((frame.pictures.cpu(), frame.stamp, self._after_gap))
        self._table.add(frame.stamp, after_gap=self._after_gap)
        seen = self._table.seen
        self._table.retain(range(seen - len(self._kept), seen), seen - len(self._kept))
        return None

    @property
    def device_bytes(self) -> int:
        """Nothing stays on the device between two questions."""
        return 0

    @property
    def host_bytes(self) -> int:
        """Bytes of pictures."""
        return sum(pictures.numel() for pictures, _, _ in self._kept)

    def coverage(self) -> Coverage:
        """The frames that are kept."""
        return self._table.coverage()

    @torch.inference_mode()
    def branch(self, room: int, span: Span | None = None) -> Branch:
        """Prefill the prefix and the frames now, and open a branch of those within `span`."""
        model = self.model
        fresh = StreamMemory(model.shape, model.rotary, self._config, SlidingWindow())
        prefix = model.prefix()
        row = fresh.begin_prefix(len(prefix))
        fresh.commit(row, row.finite(model.forward(prefix, PackedPass([row]))).tolist())
        if self._kept:
            features = [model.encode(pictures)[0] for pictures, _, _ in self._kept]
            row = fresh.begin_frames([stamp for _, stamp, _ in self._kept], model.layout)
            hidden = model.forward(torch.cat(features), PackedPass([row]))
            fresh.commit(row, row.finite(hidden).tolist())
        branch = fresh.branch(room, span=span)
        if span is None:
            branch.coverage = self.coverage()  # with the gaps and the count of the whole stream
        return branch
