"""Who asks, as a gateway tells it to a worker: a mark that tells callers apart, and no name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

KEY = "hermes-caller"
"""Of the call's metadata. Without it, the worker takes the caller for one that is not known."""

UNKNOWN = ""

_MARK = re.compile(r"[0-9a-f]{16}")


def mark_of(who: str) -> str:
    """The mark of a caller by its name: the same at each gateway. Empty if there is no name."""
    return hashlib.sha256(f"{KEY}:{who}".encode()).hexdigest()[:16] if who else UNKNOWN


def caller_in(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The mark in a call's metadata; `UNKNOWN` if there is none, or one that is no mark."""
    for key, value in metadata or ():
        if key == KEY and isinstance(value, str) and _MARK.fullmatch(value):
            return value
    return UNKNOWN
