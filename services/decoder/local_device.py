"""Cameras that are plugged into the machine: what may be opened as one, and by which format."""

from __future__ import annotations

import os
import stat

import av

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
)
from services.decoder.faults import SourceFault

FORMAT = "v4l2"


def check_device(path: str) -> None:
    """Refuse what is no device that can be read now. Raises `SourceFault`.

    None is final: a camera may be plugged in again, and rights may be given.
    """
    if not any(FORMAT in name.split(",") for name in av.formats_available):
        raise SourceFault(
            SOURCE_ERROR_CODEC,
            "the decode library here cannot read local devices: install a PyAV whose FFmpeg has"
            " the input device v4l2 (Linux)",
            permanent=True,
        )
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise SourceFault(
            SOURCE_ERROR_NOT_FOUND, f"there is no such device ({error.strerror})"
        ) from None
    if not stat.S_ISCHR(mode):  # a link may lead to any other file
        raise SourceFault(SOURCE_ERROR_REFUSED, "it is not a character device")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceFault(
            SOURCE_ERROR_REFUSED,
            "the decoder may not use the device: add its user to the group that owns it"
            " (mostly video)",
        )
