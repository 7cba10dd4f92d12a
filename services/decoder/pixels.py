"""How large a picture may be: a bound before anything of it is decoded."""

from __future__ import annotations

from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC
from services.decoder.faults import SourceFault

MAX_PIXELS = 8192 * 8192


def check_pixels(width: int, height: int, *, permanent: bool = False) -> None:
    """Raises `SourceFault` for a picture that is larger. `permanent`: as in `SourceFault`."""
    if width * height > MAX_PIXELS:
        raise SourceFault(
            SOURCE_ERROR_CODEC,
            f"its pictures are {width}x{height}; at most {MAX_PIXELS} pixels",
            permanent=permanent,
        )
