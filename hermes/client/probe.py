"""What a probe of a source returns."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.client.picture import PictureStatus, picture_status_of
from hermes.client.words import seconds_of, word_of
from hermes.v1 import camera_pb2


@dataclass(frozen=True, slots=True)
class Probe:
    """What a source is, as a decoder sees it that opens it once.

    `error`: why no frame can be taken; "" if one was taken. `picture`: None if the source could
    not be opened. `key_frame_interval_s`: the longest time between two key frames; at least
    that, if `key_frame_interval_open`; None if it is not known. `frames_per_second`,
    `frame_bytes`: what would be taken. `length_s`: of a file or a recording. `thumbnail`: a
    JPEG; empty unless it was asked for. `decoder`: the one that opened it.
    """

    error: str
    error_message: str
    picture: PictureStatus | None
    key_frame_interval_s: float | None
    key_frame_interval_open: bool
    frames_per_second: float
    frame_bytes: int
    length_s: float | None
    thumbnail: bytes
    decoder: str


def probe_of(response: camera_pb2.CameraServiceProbeResponse) -> Probe:
    """From the wire."""
    return Probe(
        error=word_of(camera_pb2.SourceError, response.error),
        error_message=response.error_message,
        picture=picture_status_of(response.picture) if response.HasField("picture") else None,
        key_frame_interval_s=seconds_of(response, "key_frame_interval"),
        key_frame_interval_open=response.key_frame_interval_open,
        frames_per_second=response.frames_per_second,
        frame_bytes=response.frame_bytes,
        length_s=seconds_of(response, "length"),
        thumbnail=response.thumbnail,
        decoder=response.decoder,
    )
