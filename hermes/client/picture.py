"""Corrections of a camera's picture, in the words that people write: `16:9`, `bt709-full`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.v1 import camera_pb2

SQUARE = "square"
ROTATIONS = (0, 90, 180, 270)

TRANSPORTS: dict[str, camera_pb2.Transport] = {
    "auto": camera_pb2.TRANSPORT_UNSPECIFIED,
    "tcp": camera_pb2.TRANSPORT_TCP,
    "udp": camera_pb2.TRANSPORT_UDP,
}
MATRICES: dict[str, camera_pb2.ColorMatrix] = {
    "bt601": camera_pb2.COLOR_MATRIX_BT601,
    "bt709": camera_pb2.COLOR_MATRIX_BT709,
    "bt2020": camera_pb2.COLOR_MATRIX_BT2020,
}
OTHER_MATRICES: dict[str, camera_pb2.ColorMatrix] = {
    "rgb": camera_pb2.COLOR_MATRIX_RGB,
    "fcc": camera_pb2.COLOR_MATRIX_FCC,
    "smpte240m": camera_pb2.COLOR_MATRIX_SMPTE240M,
    "ycgco": camera_pb2.COLOR_MATRIX_YCGCO,
}
"""Those that sources have, and that cannot be asked for."""
RANGES: dict[str, camera_pb2.ColorRange] = {
    "limited": camera_pb2.COLOR_RANGE_LIMITED,
    "full": camera_pb2.COLOR_RANGE_FULL,
}
TRANSFERS: dict[str, camera_pb2.ColorTransfer] = {
    "sdr": camera_pb2.COLOR_TRANSFER_SDR,
    "pq": camera_pb2.COLOR_TRANSFER_PQ,
    "hlg": camera_pb2.COLOR_TRANSFER_HLG,
}
_ASPECT = re.compile(r"(\d{1,5}):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a source says wrongly about its picture. What is not given is as the source says.

    `rotate`: degrees clockwise (0, 90, 180, 270), in place of the turn that the source asks
    for. `mirror`: left to right, after the turn. `aspect`: the shape of the picture before it
    is turned, as `16:9`, or `square` for square pixels. `transport`: `tcp` or `udp`, for RTSP.
    `color`: `bt601`, `bt709` or `bt2020`, `limited` or `full`, or both as `bt709-full`.
    """

    rotate: int | None = None
    mirror: bool = False
    aspect: str = ""
    transport: str = "auto"
    color: str = ""


@dataclass(frozen=True, slots=True)
class PictureStatus:
    """The picture of a source as it is taken.

    `width`, `height`: as it is shown, upright and with square pixels. `coded_width`,
    `coded_height`: as it is coded. `frames_per_second`: nominal; 0 if the source does not say
    it. `color`: as `bt709-limited`; `transfer`: `sdr`, `pq` or `hlg`. `rotate`, `mirror`: how
    it is turned (degrees clockwise, and then left to right). `frame_width`, `frame_height`:
    the size of the frames that are made of it.
    """

    width: int
    height: int
    coded_width: int
    coded_height: int
    codec: str
    frames_per_second: float
    color: str
    transfer: str
    rotate: int
    mirror: bool
    interlaced: bool
    frame_width: int
    frame_height: int


def picture_message(picture: Picture) -> camera_pb2.Picture:
    """For the wire. Raises `InvalidInput`, which names the field."""
    message = camera_pb2.Picture(
        mirror=picture.mirror, transport=_transport(picture.transport or "auto")
    )
    if picture.rotate is not None:
        if picture.rotate not in ROTATIONS:
            raise InvalidInput("camera.picture.rotate", "is one of 0, 90, 180, 270")
        message.rotate = picture.rotate
    if picture.aspect == SQUARE:
        message.square_pixels = True
    elif picture.aspect:
        message.aspect.CopyFrom(_aspect(picture.aspect))
    if picture.color:
        message.color.CopyFrom(_color(picture.color))
    return message


def picture_of(message: camera_pb2.Picture) -> Picture:
    """From the wire."""
    aspect = SQUARE if message.square_pixels else ""
    if message.HasField("aspect"):
        aspect = f"{message.aspect.width}:{message.aspect.height}"
    return Picture(
        rotate=message.rotate if message.HasField("rotate") else None,
        mirror=message.mirror,
        aspect=aspect,
        transport=_word(TRANSPORTS, message.transport),
        color=color_words(message.color),
    )


def picture_status_of(message: camera_pb2.PictureStatus) -> PictureStatus:
    """From the wire."""
    return PictureStatus(
        width=message.width,
        height=message.height,
        coded_width=message.coded_width,
        coded_height=message.coded_height,
        codec=message.codec,
        frames_per_second=message.frames_per_second,
        color=color_words(message.color),
        transfer=_word(TRANSFERS, message.transfer),
        rotate=message.rotate,
        mirror=message.mirror,
        interlaced=message.interlaced,
        frame_width=message.frame_width,
        frame_height=message.frame_height,
    )


def color_words(color: camera_pb2.Color) -> str:
    """`bt709-full`; "" if nothing is said."""
    words = (_word(MATRICES | OTHER_MATRICES, color.matrix), _word(RANGES, color.range))
    return "-".join(word for word in words if word)


def _transport(word: str) -> camera_pb2.Transport:
    if word not in TRANSPORTS:
        raise InvalidInput("camera.picture.transport", f"is one of {', '.join(TRANSPORTS)}")
    return TRANSPORTS[word]


def _aspect(text: str) -> camera_pb2.AspectRatio:
    match = _ASPECT.fullmatch(text)
    if match is None:
        raise InvalidInput(
            "camera.picture.aspect", f"is width:height, e.g. 16:9, or {SQUARE} for square pixels"
        )
    return camera_pb2.AspectRatio(width=int(match[1]), height=int(match[2]))


def _color(text: str) -> camera_pb2.Color:
    color = camera_pb2.Color()
    for word in text.split("-"):
        if word in MATRICES and not color.matrix:
            color.matrix = MATRICES[word]
        elif word in RANGES and not color.range:
            color.range = RANGES[word]
        else:
            raise InvalidInput(
                "camera.picture.color",
                f"is {', '.join(MATRICES)}, {' or '.join(RANGES)}, or both, e.g. bt709-full",
            )
    return color


def _word(words: Mapping[str, int], value: int) -> str:
    """The word for a value; "" for none, its number for one of a later version."""
    return next((word for word, known in words.items() if known == value), str(value or ""))
