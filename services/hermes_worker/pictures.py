"""JPEG to tensor, off the device's thread. What comes from outside is checked first."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MAX_JPEG_BYTES = 4 << 20
MAX_SIDE = 4096
MAX_SCANS = 4
"""A baseline JPEG has one, or one for each component. Each takes ten bytes, and costs a pass over
the whole picture."""
_SCAN = b"\xff\xda"


class BadPicture(Exception):
    """Not a JPEG that may be decoded."""


def decode_jpeg(data: bytes) -> Tensor:
    """[3, height, width] uint8, RGB. Raises `BadPicture`."""
    if len(data) > MAX_JPEG_BYTES:
        raise BadPicture(f"{len(data)} bytes; at most {MAX_JPEG_BYTES}")
    if (scans := data.count(_SCAN)) > MAX_SCANS:
        raise BadPicture(f"{scans} scans; at most {MAX_SCANS}")
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            if max(image.size) > MAX_SIDE:  # known from the header, before any pixel is made
                raise BadPicture(f"{image.size[0]}x{image.size[1]} pixels; at most {MAX_SIDE}")
            pixels = np.array(image.convert("RGB"))
    except BadPicture:
        raise
    except Exception as error:  # damage leads to errors of many types
        raise BadPicture(f"not a JPEG: {type(error).__name__}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
