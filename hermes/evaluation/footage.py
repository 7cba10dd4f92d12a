"""The pictures of a video file, at a steady rate."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hermes.errors import HermesError, InvalidInput

NPY_FPS = 1.0
"""Pictures a second of an array of pictures, as RVS has it."""


Pictures = Generator[tuple[float, Tensor], None, None]
"""Pictures with their times in seconds."""


class BrokenVideo(HermesError):
    """A video cannot be read, or not to its end."""

    reason = "BROKEN_VIDEO"


class Footage(Protocol):
    """A video that can be played once."""

    @property
    def seconds(self) -> float | None:
        """How long it is, if that is known."""
        ...

    def play(self) -> Pictures:
        """Pictures [3, height, width] uint8, RGB, with their times in seconds from the start.

        Raises `BrokenVideo` where it cannot be read further.
        """
        ...


def open_footage(path: Path, fps: float) -> Footage:
    """A video file, or an array of pictures, at `fps` pictures a second.

    Raises `BrokenVideo`.
    """
    return ArrayFootage(path, fps) if path.suffix == ".npy" else FileFootage(path, fps)


class FileFootage:
    """A video file of any kind that FFmpeg reads."""

    def __init__(self, path: Path, fps: float) -> None:
        import av

        self._path = path
        self._fps = fps
        try:
            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise BrokenVideo(f"{path}: has no video")
                length = container.duration
                self.seconds = None if length is None else length / av.time_base
        except (av.FFmpegError, OSError) as error:
            raise BrokenVideo(f"{path}: {_said(error)}") from None

    def play(self) -> Pictures:
        """The first picture of each period of 1/fps seconds; a period without any has none."""
        import av

        slot, start = -1, None
        try:
            with av.open(str(self._path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                # A picture that is a little early belongs to the period that it is near.
                rate = float(stream.average_rate or 0)
                early = min(0.5 / rate, 0.5 / self._fps) if rate else 0.0
                for frame in container.decode(stream):
                    if frame.time is None:
                        continue
                    start = frame.time if start is None else start
                    own = math.floor((frame.time - start + early) * self._fps + 1e-6)
                    if own <= slot:
                        continue
                    slot = own
                    picture = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                    yield slot / self._fps, picture.permute(2, 0, 1)
        except (av.FFmpegError, OSError) as error:
            raise BrokenVideo(f"{self._path}: {_said(error)}") from None
        if start is None:
            raise BrokenVideo(f"{self._path}: has no picture")


class ArrayFootage:
    """A file with an array [n, height, width, 3] uint8 of pictures, one a second."""

    def __init__(self, path: Path, fps: float) -> None:
        if fps > NPY_FPS:
            raise InvalidInput("fps", f"{path} has one picture a second; at most 1 can be taken")
        try:
            self._pictures = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BrokenVideo(f"{path}: {_said(error)}") from None
        shape = self._pictures.shape
        if self._pictures.dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or 0 in shape:
            raise BrokenVideo(f"{path}: is no array of pictures, but {list(shape)}")
        self._fps = fps
        self.seconds: float | None = shape[0] / NPY_FPS

    def play(self) -> Pictures:
        """Every picture, or evenly spaced ones."""
        slot = 0
        while (index := math.floor(slot * NPY_FPS / self._fps + 1e-6)) < len(self._pictures):
            picture = torch.from_numpy(np.array(self._pictures[index]))
            yield slot / self._fps, picture.permute(2, 0, 1)
            slot += 1


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
