"""A model, and a memory that keeps every frame on the host: the alternative of ReKV."""

from __future__ import annotations

import torch

from benchmarks.baselines.retrieval import RetrievalConfig, RetrievalMemory
from hermes.errors import InvalidInput
from hermes.memory import Branch, Compression, Coverage, PackedPass
from hermes.question import Span
from hermes.vlm import VideoModel
from hermes.vlm.encoded import FramePictures
from hermes.vlm.picture_memory import PictureMemory
from hermes.vlm.video_memory import COMPRESS_EVERY_FRAMES, position_reserve


class FrameRetrieval(PictureMemory):
    """Keeps every frame's cache in host memory and fetches the most relevant for each question.

    `benchmarks.baselines.retrieval` says how. Host memory grows with the stream
    unless `max_frames` bounds it.
    """

    name = "frame-retrieval"

    def __init__(
        self,
        model: VideoModel,
        *,
        fetched_frames: int,
        window_frames: int | None = None,
        window_slack: int = COMPRESS_EVERY_FRAMES,
        max_frames: int | None = None,
    ) -> None:
        """`window_frames` defaults to `fetched_frames`; the rest as in `RetrievalConfig`."""
        super().__init__(model)
        config = RetrievalConfig(
            fetched_frames=fetched_frames,
            window_frames=fetched_frames if window_frames is None else window_frames,
            window_slack=window_slack,
            position_limit=model.position_limit,
            position_reserve=position_reserve(model),
            max_frames=max_frames,
        )
        self.cache = RetrievalMemory(model.shape, model.rotary, config)
        self._read_prefix()

    @torch.inference_mode()
    def _read_prefix(self) -> None:
        prefix = self.model.prefix()
        row = self.cache.begin_prefix(len(prefix), self.model.layout)
        hidden = self.model.forward(prefix, PackedPass([row]))
        self.cache.commit(row, row.finite(hidden).tolist())

    def _take(self, frame: FramePictures) -> Compression | None:
        features = self.model.encode(frame.pictures)[0]
        row = self.cache.begin_frame(frame.stamp, after_gap=self._after_gap)
        try:
            hidden = self.model.forward(features, PackedPass([row]))
            self.cache.commit(row, row.finite(hidden).tolist())
        except BaseException:
            self.cache.abandon(row)
            raise
        return None  # what leaves the window stays on the host

    @property
    def device_bytes(self) -> int:
        """Bytes of cache that are held on the device between two questions: the window."""
        return self.cache.window_bytes

    @property
    def host_bytes(self) -> int:
        """Bytes that are held in host memory."""
        return self.cache.store.bytes

    def coverage(self) -> Coverage:
        """The frames that can be fetched."""
        return self.cache.coverage()

    def branch(self, room: int, span: Span | None = None) -> Branch:
        """A branch for one question and its answer of at most `room` tokens. Close it after use."""
        if span is not None:
            raise InvalidInput("span", "cannot be chosen: frames are fetched by what is asked")
        return self.cache.branch(room)
