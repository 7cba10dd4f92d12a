"""Whether corrections of a camera's picture can be made."""

from __future__ import annotations

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    COLOR_MATRIX_BT601,
    COLOR_MATRIX_BT709,
    COLOR_MATRIX_BT2020,
    COLOR_MATRIX_UNSPECIFIED,
    TRANSPORT_UNSPECIFIED,
    ColorRange,
    Picture,
    Transport,
)

ROTATIONS = frozenset({0, 90, 180, 270})
MATRICES = frozenset(
    {
        COLOR_MATRIX_UNSPECIFIED,
        COLOR_MATRIX_BT601,
        COLOR_MATRIX_BT709,
        COLOR_MATRIX_BT2020,
    }
)
MOST_ASPECT = 10
"""A picture is at most so many times as wide as it is high, or as high as it is wide."""


def check_picture(picture: Picture, *, rtsp: bool) -> None:
    """Raises `InvalidInput`, which names the field. `rtsp`: whether it is an RTSP source."""
    if picture.rotate not in ROTATIONS:
        raise InvalidInput("camera.picture.rotate", "is one of 0, 90, 180, 270")
    if picture.HasField("aspect"):
        width, height = picture.aspect.width, picture.aspect.height
        if not (0 < width <= MOST_ASPECT * height and 0 < height <= MOST_ASPECT * width):
            raise InvalidInput(
                "camera.picture.aspect", f"is between 1:{MOST_ASPECT} and {MOST_ASPECT}:1"
            )
    if picture.transport not in Transport.values():
        raise InvalidInput("camera.picture.transport", "is not a known transport")
    if picture.transport != TRANSPORT_UNSPECIFIED and not rtsp:
        raise InvalidInput("camera.picture.transport", "is for rtsp:// and rtsps:// alone")
    if picture.color.matrix not in MATRICES:
        raise InvalidInput("camera.picture.color.matrix", "is one of BT601, BT709, BT2020")
    if picture.color.range not in ColorRange.values():
        raise InvalidInput("camera.picture.color.range", "is not a known range")
