"""Frame chunks with real JPEG frames in them."""

from __future__ import annotations

import functools
from io import BytesIO

from PIL import Image

from hermes.v1.frames_pb2 import Frame, FrameChunk


@functools.cache
def jpeg(shade: int = 0, side: int = 112) -> bytes:
    """A JPEG of one grey level."""
    buffer = BytesIO()
    Image.new("RGB", (side, side), (shade % 256, 40, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def chunk(
    camera_id: str,
    first_ms: int,
    frames: int = 1,
    *,
    epoch: int = 1,
    index: int = 0,
    step_ms: int = 100,
    live: bool = True,
    discontinuity: bool = False,
    dropped_before: int = 0,
) -> FrameChunk:
    """`frames` frames from `first_ms` on."""
    return FrameChunk(
        camera_id=camera_id,
        epoch=epoch,
        first_frame_index=index,
        frames=[
            Frame(jpeg=jpeg(index + i), capture_time_ms=first_ms + i * step_ms)
            for i in range(frames)
        ],
        live=live,
        discontinuity=discontinuity,
        dropped_before=dropped_before,
    )
