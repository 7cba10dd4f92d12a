"""Forged snapshots: bytes that were changed, under a checksum that fits them."""

from __future__ import annotations

import hashlib
import re

_CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')
_LOOKED_AT = 1 << 20


def sealed(data: bytes) -> bytes:
    """The snapshot with the checksum that its bytes should have, if it has a place for one."""
    found = _CHECKSUM.search(data, 0, _LOOKED_AT)
    if found is None:
        return data
    start, end = found.span(1)
    digits = hashlib.sha256(data[:start] + b"0" * 64 + data[end:]).hexdigest()
    return data[:start] + digits.encode() + data[end:]
