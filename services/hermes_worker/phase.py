"""The phases of a tenure, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """What a worker is doing with a camera."""

    PREPARING = "preparing"
    """Another worker owns the camera; a memory is made ready here, to be handed the camera."""
    RESTORING = "restoring"
    """The camera is ours; its memory is being read from a checkpoint."""
    REPLAYING = "replaying"
    """Memory takes in what the log held when the camera came to us."""
    SERVING = "serving"
    """Questions are answered."""
    LEAVING = "leaving"
    """The camera is about to be handed over: no new answer begins."""


TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.PREPARING: frozenset({Phase.RESTORING, Phase.REPLAYING}),
    Phase.RESTORING: frozenset({Phase.REPLAYING, Phase.LEAVING}),
    Phase.REPLAYING: frozenset({Phase.SERVING, Phase.LEAVING}),
    Phase.SERVING: frozenset({Phase.LEAVING}),
    Phase.LEAVING: frozenset({Phase.RESTORING, Phase.REPLAYING, Phase.SERVING}),
}
