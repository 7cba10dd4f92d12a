"""Pictures as a cheap camera would deliver them: through H.264 at a low bitrate."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from PIL import Image

QUALITY = 36
"""Constant rate factor: some 30 kbit/s at this size."""


def filmed(pictures: Sequence[np.ndarray], side: int, quality: int = QUALITY) -> list[np.ndarray]:
    """[size, size, 3] uint8 pictures, encoded, decoded, and reduced to `side` pixels."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 1)
        # Without macroblock trees, and in one thread, x264 makes the same film every time.
        same = {"x264-params": "threads=1:lookahead_threads=1:mbtree=0"}
        stream.options = {"crf": str(quality), "preset": "veryfast", **same}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as film:
        return [
            np.asarray(frame.to_image().resize((side, side), Image.Resampling.BICUBIC))
            for frame in film.decode(video=0)
        ]
