"""Pictures as the bytes of a safetensors file: a few of one camera, with a SHA-256 of each.

The checksums guard against accidents, not against forgers. A picture that was
damaged is left out, and the others are read all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save

from hermes.errors import SnapshotCorrupt
from services.hermes_worker.kept_pictures import MAX_PICTURE_BYTES

HEADER_LIMIT = 1 << 20
"""The most bytes that a header takes; one picture takes some 150 of them."""


def encode(pictures: Mapping[int, bytes], camera: str) -> bytes:
    """A bundle of pictures by capture time. `camera`: the folder of the camera's snapshots."""
    sums = {str(ms): hashlib.sha256(jpeg).hexdigest() for ms, jpeg in pictures.items()}
    metadata = {"camera": camera, "sums": json.dumps(sums, separators=(",", ":"))}
    return save({str(ms): np.frombuffer(jpeg, np.uint8) for ms, jpeg in pictures.items()}, metadata)


def decode(data: bytes, camera: str) -> dict[int, bytes]:
    """The pictures that are as they were written, by capture time.

    Raises `SnapshotCorrupt` if it is no bundle, or one of another camera.
    """
    try:
        tensors = deserialize(data)  # type: ignore[no-untyped-call]
        metadata = _metadata(data)
        sums = json.loads(metadata["sums"])
        whose = metadata["camera"]
    except Exception as error:  # any failure of the parser means that the bytes are bad
        raise SnapshotCorrupt(f"the pictures cannot be read ({type(error).__name__})") from error
    if whose != camera or not isinstance(sums, dict):
        raise SnapshotCorrupt("the pictures are of another camera")
    found = {}
    for name, tensor in tensors:
        jpeg = bytes(tensor["data"])
        whole = hashlib.sha256(jpeg).hexdigest() == sums.get(name)
        if whole and name.isdecimal() and len(name) < 20 and len(jpeg) <= MAX_PICTURE_BYTES:
            found[int(name)] = jpeg
    return found


def _metadata(data: bytes) -> Any:
    # The parser has just accepted this header: eight bytes of length, then JSON.
    length = int.from_bytes(data[:8], "little")
    if length > HEADER_LIMIT:
        raise ValueError("the header is too large")
    return json.loads(data[8 : 8 + length])["__metadata__"]
