"""A probe: a source that is opened once, to say what it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from hermes.errors import InvalidInput, Unsupported
from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    Camera,
    CameraServiceProbeResponse,
    PictureStatus,
)
from services.common import cameras
from services.common.camera_credentials import CannotOpen
from services.decoder import hardware
from services.decoder.corrections import NO_CORRECTIONS, Corrections
from services.decoder.faults import SourceFault, classify
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.decoder.sources import open_source
from services.decoder.still_source import StillSource
from services.decoder.stream_picture import status_of

OPEN_TIMEOUT_S = 3.0
"""With finding out why it failed, opening fits into the time that a probe has."""
READ_TIMEOUT_S = 1.5

MAX_THUMBNAIL_BYTES = 160 << 10
SMALL = FrameSize(384, 384)
SMALL_QUALITY = 75

KEY_FRAMES_S = 5.0
"""Longest wait for a second key frame once there is a frame."""


class Probe:
    """One look at a camera's source. Used once, by one thread."""

    def __init__(
        self,
        camera: Camera,
        settings: DecoderSettings,
        until_s: float,
        *,
        thumbnail: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`until_s`: when to come to an end, by `clock`."""
        self._camera = camera
        self._settings = settings.model_copy(
            update={
                "open_timeout_s": min(settings.open_timeout_s, OPEN_TIMEOUT_S),
                "read_timeout_s": min(settings.read_timeout_s, READ_TIMEOUT_S),
                "hwaccel": hardware.NONE,  # one picture is not worth a place on the device
            }
        )
        self._until_s = until_s
        self._thumbnail = thumbnail
        self._clock = clock
        self._corrections = NO_CORRECTIONS
        self._wanted = camera.sampling.frames_per_second or settings.frames_per_second
        self._found = CameraServiceProbeResponse(decoder=settings.instance)

    def run(self) -> Iterator[CameraServiceProbeResponse]:
        """What is found: once the source is open, and at the end. The last one counts."""
        try:
            url = self._checked_url()
            with open_source(url, self._settings, self._wanted, self._corrections) as source:
                self._opened(source)
                yield self._found
                self._read(source)
        except SourceFault as fault:
            self._found.error, self._found.error_message = fault.error, fault.message
        yield self._found

    def _checked_url(self) -> str:
        """The URL to open; from then on corrections count. Raises `SourceFault`."""
        try:
            opened = Camera()
            opened.CopyFrom(self._camera)
            opened.url = self._settings.credentials.open(self._camera.url)
            cameras.check(opened, self._settings.policy)
        except InvalidInput as error:
            raise SourceFault(SOURCE_ERROR_REFUSED, error.message) from None
        except CannotOpen as error:
            raise SourceFault(SOURCE_ERROR_AUTH, str(error)) from None
        except ValueError:  # its text may quote the URL
            raise SourceFault(SOURCE_ERROR_REFUSED, "its URL cannot be read") from None
        self._corrections = Corrections.of(opened.picture)
        return opened.url

    def _opened(self, source: Source | StillSource) -> None:
        width, height = source.coded_size
        self._found.picture.CopyFrom(
            PictureStatus(
                codec=source.codec,
                coded_width=width,
                coded_height=height,
                frames_per_second=source.frames_per_second,
            )
        )
        if (length_s := source.duration_s) is not None:
            self._found.length.FromNanoseconds(round(length_s * 1e9))

    def _read(self, source: Source | StillSource) -> None:
        """Read until there is a frame and the distance of key frames, or until time is up."""
        until_s = self._until_s
        times: list[float] = []
        taken: _Taken | None = None

        def on_packet() -> None:
            if self._clock() >= until_s:
                raise _TimeUp

        try:
            for frame in source.frames(on_packet, lambda: None):
                if (at_s := source.position_s(frame)) is not None:
                    times.append(at_s)
                if taken is None:
                    taken = self._take(frame, source)
                    until_s = min(until_s, self._clock() + KEY_FRAMES_S)
                if taken is not None and source.key_frame_interval_s is not None:
                    break
        except _TimeUp:
            pass
        except SourceFault:
            if taken is None:
                raise
        self._see_key_frames(source)
        if taken is None:
            raise self._without_frame(source)
        rate = source.frames_per_second or _measured(times)
        self._found.picture.CopyFrom(taken.picture)
        self._found.frames_per_second = min(self._wanted, rate) if rate else self._wanted
        self._found.frame_bytes = taken.jpeg_bytes
        self._found.thumbnail = taken.thumbnail

    def _see_key_frames(self, source: Source | StillSource) -> None:
        interval_s = source.key_frame_interval_s
        if interval_s is None and source.began_s is not None:
            interval_s = source.read_s - source.began_s
            self._found.key_frame_interval_open = True
        if interval_s is not None:
            self._found.key_frame_interval.FromNanoseconds(round(interval_s * 1e9))

    def _without_frame(self, source: Source | StillSource) -> SourceFault:
        if self._clock() < self._until_s:
            return SourceFault(SOURCE_ERROR_CODEC, "no frame of it could be decoded")
        why = "" if source.doubt is None else f": {source.doubt}"
        return SourceFault(
            SOURCE_ERROR_TIMEOUT, f"it was opened, but no frame could be taken in time{why}"
        )

    def _take(self, frame: VideoFrame, source: Source | StillSource) -> _Taken:
        """Make a frame's picture as it would be taken. Raises `SourceFault`."""
        settings, aspect = self._settings, source.pixel_aspect(frame)
        size = FrameSize.parse(settings.frame_size)
        encoder = JpegEncoder(size, settings.jpeg_quality, self._corrections)
        try:
            jpeg = encoder.encode(frame, aspect)
            thumbnail = self._thumbnail_of(frame, aspect, jpeg) if self._thumbnail else b""
        except Unsupported as error:
            raise SourceFault(SOURCE_ERROR_CODEC, str(error)) from None
        except MemoryError as error:
            raise classify(error, (), (), live=True) from None
        except (av.FFmpegError, ValueError):
            raise SourceFault(SOURCE_ERROR_CODEC, "its pictures cannot be converted") from None
        form = encoder.form
        assert form is not None
        picture = status_of(form, encoder.size_of(form), source.codec, source.frames_per_second)
        return _Taken(picture, len(jpeg), thumbnail)

    def _thumbnail_of(self, frame: VideoFrame, aspect: Fraction, jpeg: bytes) -> bytes:
        """The frame's own JPEG, or a smaller one."""
        if len(jpeg) > MAX_THUMBNAIL_BYTES:
            jpeg = JpegEncoder(SMALL, SMALL_QUALITY, self._corrections).encode(frame, aspect)
        return jpeg if len(jpeg) <= MAX_THUMBNAIL_BYTES else b""


def _measured(times: list[float]) -> float:
    """Frames a second; 0 if too few came."""
    span_s = times[-1] - times[0] if len(times) > 1 else 0.0
    return (len(times) - 1) / span_s if span_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Taken:
    picture: PictureStatus
    jpeg_bytes: int
    thumbnail: bytes


class _TimeUp(Exception):
    """Unwinds the decode library's loops when the time is up."""
