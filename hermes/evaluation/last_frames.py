"""The last pictures, encoded anew for every question: the alternative of SimpleStream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import torch

from hermes.errors import InvalidInput
from hermes.memory import (
    Branch,
    Compression,
    Coverage,
    MemoryConfig,
    PackedPass,
    SlidingWindow,
    StreamMemory,
)
from hermes.memory.coverage import FrameTable
from hermes.question import Span
from hermes.vlm import VideoModel
from hermes.vlm.encoded import EncodedFrame, FramePictures, FrameTime
from hermes.vlm.picture_memory import PictureMemory
from hermes.vlm.video_memory import position_reserve


class LastFrames(PictureMemory):
    """Keeps pictures and no cache; a question encodes and prefills the last of them.

    After SimpleStream (arXiv 2604.02317), whose N is 4: a frame sees nothing
    from before the first of them. Pictures are kept in host memory, unchanged.
    """

    name = "last-frames"

    def __init__(
        self,
        model: VideoModel,
        *,
        frames: int = 4,
        budget: int | None = None,
        reserve: int | None = None,
    ) -> None:
        """`frames`: how many are kept. `budget`: as many whole frames as have that many tokens, in
        place of a number. `reserve`: positions for a question and its answer.
        """
        super().__init__(model)
        if frames < 1:
            raise InvalidInput("frames", "must be at least 1")
        if budget is not None and budget < model.most_frame_tokens:
            raise InvalidInput(
                "budget",
                f"{budget} tokens are less than one frame: this model makes"
                f" {model.most_frame_tokens}",
            )
        self._frames = frames if budget is None else None
        self._budget = frames * model.most_frame_tokens if budget is None else budget
        self._config = MemoryConfig(
            budget=self._budget,
            headroom=1,
            position_limit=model.position_limit,
            position_reserve=position_reserve(model) if reserve is None else reserve,
        )
        self._kept: deque[tuple[FramePictures, int | None]] = deque()
        self._start_ms: int | None = None
        self._before_ms: int | None = None
        self._table = FrameTable()

    def _take(self, frame: FramePictures) -> Compression | None:
        held = FramePictures(frame.pictures.cpu(), frame.stamp, frame.times_ms)
        self._kept.append((held, self._before_ms))
        self._start_ms = frame.times_ms[0] if self._start_ms is None else self._start_ms
        self._before_ms = frame.times_ms[0]
        while self._too_many():
            self._kept.popleft()
        self._table.add(frame.stamp, after_gap=self._after_gap)
        seen = self._table.seen
        self._table.retain(range(seen - len(self._kept), seen), seen - len(self._kept))
        return None

    def _too_many(self) -> bool:
        if self._frames is not None:
            return len(self._kept) > self._frames
        return self._tokens_of(self._kept) > self._budget

    def _shown(self) -> list[tuple[FramePictures, int | None]]:
        """The frames that a question reads: pictures that wait for others of their frame make one
        for it, as in a `VideoMemory`.
        """
        if not self._unpaired:
            return list(self._kept)
        shown = [*self._kept, (self._repeated(self._unpaired), self._before_ms)]
        most = self._frames or len(shown)
        shown = shown[-most:]
        while len(shown) > 1 and self._tokens_of(shown) > self._budget:
            del shown[0]
        return shown

    @property
    def tokens(self) -> int:
        """The most tokens that a question reads of the frames."""
        return self._tokens_of(self._shown())

    def _tokens_of(self, frames: Iterable[tuple[FramePictures, int | None]]) -> int:
        return sum(self.model.frame_tokens(frame.size) for frame, _ in frames)

    @property
    def device_bytes(self) -> int:
        """Nothing stays on the device between two questions."""
        return 0

    @property
    def host_bytes(self) -> int:
        """Bytes of pictures."""
        return sum(frame.pictures.numel() for frame, _ in self._kept)

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
        shown = self._shown()
        if shown:
            frames = [self._encoded(frame, before) for frame, before in shown]
            stamps = [frame.stamp for frame, _ in shown]
            row = fresh.begin_frames(stamps, [frame.layout for frame in frames])
            inputs = torch.cat([frame.features for frame in frames])
            hidden = model.forward(inputs, PackedPass([row]))
            fresh.commit(row, row.finite(hidden).tolist())
        branch = fresh.branch(room, span=span)
        if span is None:
            branch.coverage = self.coverage()  # with the gaps and the count of the whole stream
        return branch

    def _encoded(self, frame: FramePictures, before_ms: int | None) -> EncodedFrame:
        model = self.model
        start = frame.times_ms[0] if self._start_ms is None else self._start_ms
        plain = EncodedFrame(
            model.encode(frame.pictures)[0], model.layout_of(frame.size), frame.times_ms[0]
        )
        time = FrameTime(
            tuple(max(0, at - start) for at in frame.times_ms),
            None if before_ms is None else max(0, before_ms - start),
        )
        return model.timed(plain, time)
