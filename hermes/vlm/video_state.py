"""What a memory keeps beside its cache, as snapshots have it: counters, pictures, and a header."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput, SnapshotCorrupt
from hermes.memory import FrameStamp, StreamMemory
from hermes.memory.changes import NOISE_FRAMES
from hermes.memory.header import Header, plain, same
from hermes.memory.state import state_limit
from hermes.vlm.base import VideoModel
from hermes.vlm.live_picture import PREFIX, Like, LivePicture
from hermes.vlm.preprocess import stacked

UNPAIRED = "unpaired"
"""A tensor of a state: [n, 3, height, width] uint8, pictures of a frame that is not complete."""

_NAMES_IN_SNAPSHOTS = {"demo": "weights"}
"""Snapshots of the demo model carry its folder's name, which once was its name everywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoState:
    """A memory at one moment, without its cache.

    `since_compression`: tokens taken in since the last compression. `after_gap`:
    whether there is a gap before the next frame. `start_ms`, `before_ms`: when the
    first pictures of the first and of the newest frame were captured. `unpaired`:
    pictures that wait for the others of their frame. `picture`: what is known of
    the present picture; None if frames are taken in full.
    """

    since_compression: int
    after_gap: bool
    start_ms: int | None
    before_ms: int | None
    unpaired: tuple[tuple[Tensor, FrameStamp], ...]
    picture: LivePicture | None


class VideoSettings:
    """What two memories must have in common, so that one continues from the other's state."""

    def __init__(self, model: VideoModel, compress_every_frames: int, present_frames: int) -> None:
        self._model = model
        self._every = compress_every_frames
        self._present_frames = present_frames

    def header(self, state: VideoState) -> dict[str, Any]:
        """A snapshot's header of it."""
        return {
            "since_compression": state.since_compression,
            "after_gap": state.after_gap,
            "start_ms": state.start_ms,
            "before_ms": state.before_ms,
            "unpaired": [[stamp.capture_ms, stamp.media_ms] for _, stamp in state.unpaired],
            "unpaired_gaps": [stamp.gap for _, stamp in state.unpaired],
            "model": plain(self._fingerprint()),
            "picture": None if state.picture is None else plain(state.picture.header()),
        }

    def tensors(self, state: VideoState) -> dict[str, Tensor]:
        """A snapshot's tensors of it. Pictures that wait have the model's size."""
        found = {} if state.picture is None else state.picture.tensors()
        if state.unpaired:
            waiting = [picture for picture, _ in state.unpaired]
            newest = (waiting[-1].shape[-2], waiting[-1].shape[-1])
            found[UNPAIRED] = stacked(waiting, self._model.fitted(newest))
        return found

    def read(
        self, header: Mapping[str, Any], tensors: dict[str, Tensor], picture: LivePicture | None
    ) -> VideoState:
        """The state in a snapshot, whose tensors are taken out of `tensors`.

        `picture`: the reading memory's own, if it has one. Raises
        `SnapshotMismatch` if the settings differ, and `SnapshotCorrupt`.
        """
        video = Header(header).section("video")
        same("model", video.mapping("model"), plain(self._fingerprint()))
        since = video.integer("since_compression", 0, self._every * self._model.most_frame_tokens)
        after_gap = video.flag("after_gap")
        start, before = (video.moment(name) for name in ("start_ms", "before_ms"))
        waiting = tensors.pop(UNPAIRED, None)
        if waiting is not None:
            self._check_unpaired(waiting)
        stamps = video.moments("unpaired", 0 if waiting is None else len(waiting))
        gaps = [""] * len(stamps)
        if video.has("unpaired_gaps"):
            gaps = video.words("unpaired_gaps", len(stamps))
        pictures = [] if waiting is None else list(waiting)
        known = (FrameStamp(*stamp, gap) for stamp, gap in zip(stamps, gaps, strict=True))
        unpaired = zip(pictures, known, strict=True)
        if picture is not None:
            own = {name: tensors.pop(name) for name in list(tensors) if name.startswith(PREFIX)}
            picture = picture.restored(video.section("picture"), own, self._like())
        return VideoState(since, after_gap, start, before, tuple(unpaired), picture)

    def _like(self) -> Like:
        shape, width = self._model.shape, self._model.prefix().shape[1]
        return Like(shape.dtype, shape.device, width, self._model.most_frame_tokens, shape.axes)

    def _check_unpaired(self, pictures: Tensor) -> None:
        most, fits = self._model.pictures_per_frame - 1, False
        if pictures.ndim == 4 and 0 not in pictures.shape:
            size = pictures.shape[2], pictures.shape[3]
            with suppress(InvalidInput):
                fits = pictures.shape[1] == 3 and self._model.fitted(size) == size
        if pictures.dtype != torch.uint8 or not fits or not 0 < len(pictures) <= most:
            raise SnapshotCorrupt(
                f"the snapshot has pictures {list(pictures.shape)} that wait for the rest of their"
                f" frame: this model has at most {most}, of a size that it takes"
            )

    def limit(self, cache: StreamMemory) -> int:
        """The most bytes of tensors that a state with this cache can have, without `picture`."""
        model, (height, width) = self._model, self._model.frame_size
        area = height * width * -(-model.most_frame_tokens // model.layout.tokens)
        pictures = 3 * area * (model.pictures_per_frame - 1)
        return pictures + state_limit(cache.shape, cache.config, cache.prefix_length)

    @property
    def picture_bytes(self) -> int:
        """The most bytes that what is known of a camera's present picture takes.

        Features of each place as last taken in and as last seen, and of the present
        frames; and a few numbers for each place.
        """
        like = self._like()
        features = (2 + self._present_frames) * like.tokens * like.width * like.dtype.itemsize
        numbers = 4 * NOISE_FRAMES + 8 + self._present_frames * 4 * (like.axes + 1)
        return features + like.tokens * numbers

    def _fingerprint(self) -> dict[str, object]:
        """What a model must have in common with the one that a snapshot was taken with."""
        model = self._model
        return {
            "name": _NAMES_IN_SNAPSHOTS.get(model.name, model.name),
            "pictures_per_frame": model.pictures_per_frame,
            "frame_tokens": model.layout.tokens,
            "frame_extent": model.layout.offsets.amax(dim=1).tolist(),
            "frame_advance": model.layout.advance,
            "compress_every_frames": self._every,
            "present_frames": self._present_frames,
        }
