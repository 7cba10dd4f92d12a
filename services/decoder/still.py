"""Stills: single coded pictures, as cheap cameras send them, and what decodes them."""

from __future__ import annotations

from enum import Enum

import av
from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from services.decoder.jpeg_marks import BEGIN, jpeg_end, jpeg_size
from services.decoder.pixels import MAX_PIXELS, check_pixels


class StillKind(Enum):
    """A coding of single pictures. The value: the name of its decoder."""

    JPEG = "mjpeg"
    PNG = "png"
    WEBP = "webp"

    @classmethod
    def of(cls, data: bytes) -> StillKind | None:
        """By the first twelve bytes; None for anything else."""
        if data.startswith(BEGIN + b"\xff"):
            return cls.JPEG
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return cls.PNG
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return cls.WEBP
        return None


class StillDecoder:
    """Decodes stills one by one. One thread's own."""

    def __init__(self) -> None:
        self._jpeg: VideoCodecContext | None = None

    def decode(self, data: bytes) -> VideoFrame | None:
        """The picture; None if it is damaged, or none. Raises `SourceFault` for one too large."""
        kind = StillKind.of(data)
        if kind is None:
            return None
        if kind is StillKind.JPEG:
            end = jpeg_end(data)
            size = jpeg_size(data)
            if end is None or size is None:
                return None
            check_pixels(*size)
            data = data[:end]
        frame = self._decoded(kind, data)
        if frame is not None and kind is StillKind.JPEG and not frame.format.is_rgb:
            # All JPEGs are, whatever is noted in them; grey ones come without a note.
            frame.color_range, frame.colorspace = ColorRange.JPEG, Colorspace.ITU601
        return frame

    def _decoded(self, kind: StillKind, data: bytes) -> VideoFrame | None:
        # Those of other kinds build on the picture before, as if it were an animation.
        codec = (kind is StillKind.JPEG and self._jpeg) or _make_codec(kind)
        self._jpeg = None
        frames: list[VideoFrame] = []
        try:
            frames += codec.decode(Packet(data))
            if kind is StillKind.JPEG:
                self._jpeg = codec
            else:
                frames += codec.decode(None)
        except (av.FFmpegError, OSError, ValueError):
            return None
        return frames[0] if frames and not frames[0].is_corrupt else None


def _make_codec(kind: StillKind) -> VideoCodecContext:
    codec = CodecContext.create(kind.value, "r")
    assert isinstance(codec, VideoCodecContext)
    codec.thread_count = 1
    # Half a picture with grey below it is worse than none.
    codec.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}
    return codec
