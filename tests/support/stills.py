"""Pictures as cheap cameras send them: JPEG, PNG and WebP of one colour, and their streams."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
Colour = tuple[int, int, int]


def still(
    colour: Colour = GREEN,
    size: tuple[int, int] = (64, 48),
    kind: str = "JPEG",
    *,
    orientation: int = 1,
    grey: bool = False,
    noise: bool = False,
) -> bytes:
    """A coded picture whose left upper quarter is red. `noise`: it is large as a file, too."""
    image = Image.new("RGB", size, colour)
    image.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    if noise:
        image = Image.effect_noise(size, 90).convert("RGB")
    if grey:
        image = image.convert("L")
    options: dict[str, object] = {"quality": 95} if kind != "PNG" else {}
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    stored = io.BytesIO()
    image.save(stored, kind, **options)
    return stored.getvalue()


def parts(
    pictures: Iterable[bytes],
    boundary: str = "--frame",
    *,
    length: bool = True,
    kind: str = "image/jpeg",
    line_end: str = "\r\n",
    gap: str = "\r\n",
) -> bytes:
    """A multipart body. `boundary`: as it stands in the stream. `gap`: after each picture."""
    body = b""
    for picture in pictures:
        lines = [boundary]
        if kind:
            lines.append(f"Content-Type: {kind}")
        if length:
            lines.append(f"Content-Length: {len(picture)}")
        body += line_end.join([*lines, "", ""]).encode() + picture + gap.encode()
    return body


def colour_of(frame: VideoFrame) -> Colour:
    """The colour at the lower right of a decoded picture."""
    red, green, blue = np.asarray(frame.to_ndarray(format="rgb24"))[-4, -4]
    return int(red), int(green), int(blue)
