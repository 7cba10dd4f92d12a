"""One vision tower for several memories: it reads each frame once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from torch import Tensor

from hermes.evaluation.clock import settle
from hermes.vlm import Between, VideoModel


class SharedTower:
    """A model whose tower reads a frame once, however many memories take it in.

    Frames are known by their pixels. Everything else is the model's own.
    """

    def __init__(self, model: VideoModel, most: int | None = None) -> None:
        """`most`: frames whose features are remembered, the newest ones; None is all."""
        self._model = model
        self.most = most
        self._features: dict[bytes, Tensor] = {}
        self._asking: dict[bytes, Tensor] | None = None
        self.frames = 0
        """How many frames the tower has read, for memories alone."""
        self.seconds = 0.0
        """How long that took."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def remembered(self) -> int:
        """How many frames' features are remembered."""
        return len(self._features)

    def forget(self) -> None:
        """Forget all frames: a video's results then do not depend on the videos before it."""
        self._features.clear()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """What is read for a question is forgotten after it: asking changes nothing."""
        self._asking = {}
        try:
            yield
        finally:
            self._asking = None

    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """As the model does, of frames that it has not read yet."""
        together = self._model.pictures_per_frame
        if len(pictures) % together:
            return self._model.encode(pictures, between)  # which says what is wrong
        frames = [pictures[at : at + together] for at in range(0, len(pictures), together)]
        keys = [_key(frame) for frame in frames]
        known = self._features if self._asking is None else {**self._features, **self._asking}
        unread = {key: frame for key, frame in zip(keys, frames, strict=True) if key not in known}
        fresh: dict[bytes, Tensor] = {}
        if unread:
            fresh = dict(zip(unread, self._read(list(unread.values()), between), strict=True))
        found = [fresh[key] if key in fresh else known[key] for key in keys]
        if self._asking is not None:
            self._asking.update(fresh)
            return found
        self._features.update(fresh)
        while self.most is not None and len(self._features) > self.most:
            del self._features[next(iter(self._features))]
        return found

    def _read(
        self, frames: Sequence[Sequence[Tensor] | Tensor], between: Between | None
    ) -> list[Tensor]:
        device = self._model.shape.device
        settle(device)
        began = time.perf_counter()
        read = self._model.encode([picture for frame in frames for picture in frame], between)
        settle(device)
        if self._asking is None:
            self.seconds += time.perf_counter() - began
            self.frames += len(frames)
        return read


def _key(frame: Sequence[Tensor] | Tensor) -> bytes:
    digest = blake2b(digest_size=16)
    for picture in frame:
        digest.update(repr(tuple(picture.shape)).encode())
        digest.update(picture.contiguous().cpu().numpy().data)
    return digest.digest()
