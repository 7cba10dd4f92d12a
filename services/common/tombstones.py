"""Tombstones: the record that a camera was removed by name.

A camera that is missing from the registry without one was forgotten by Redis.
"""

from __future__ import annotations

from hermes.v1.camera_pb2 import Camera
from services.common import logs

log = logs.get(__name__)

KEEP_S = 7 * 86_400.0
"""How long a tombstone lasts. A process that is cut off from Redis for longer than this, and then
finds that Redis lost its data, may put back a camera that was removed in the meantime."""


def created_ns(camera: Camera) -> int:
    """Which of the cameras that had this id it is: later ones have a higher number."""
    return camera.created.ToNanoseconds()


def covers(tombstone: bytes | None, camera: Camera) -> bool:
    """Whether `camera` was removed, given the tombstone of its id.

    A tombstone holds `created_ns` of the newest camera of the id that was
    removed, so it speaks of all earlier ones too.
    """
    newest = newest_removed(tombstone)
    return newest is not None and created_ns(camera) <= newest


def newest_removed(tombstone: bytes | None) -> int | None:
    """`created_ns` of the newest camera that was removed, or None if none was."""
    if tombstone is None:
        return None
    try:
        return int(tombstone)
    except ValueError:
        log.error("tombstone_unreadable")
        return None  # nothing is removed because of a key that makes no sense


def replaces(newer: Camera, older: Camera) -> bool:
    """Whether `newer` was added after `older`, of the same id, had been removed.

    A registry that comes back as an older copy has it the other way round.
    """
    return created_ns(newer) > created_ns(older)
