"""Names of everything that lives in Redis.

A camera's id is a hash tag, so that all of one camera's keys share a cluster
slot and one script can fence them. A name without a tag counts as a whole, so that
`hermes:events` and `{hermes:events}:index` share a slot, too.
"""

from __future__ import annotations

from typing import Literal

Role = Literal["worker", "decoder"]

CAMERAS = "hermes:cameras"
"""Hash: camera id -> serialised `hermes.v1.Camera`. Holds credentials."""

INCARNATION = "hermes:incarnation"
"""String: made once in an empty Redis. A new value means that data was lost."""

CAMERAS_INCARNATION = f"{{{CAMERAS}}}:incarnation"
"""The same in a cluster, for the node of `CAMERAS`."""


def data_mark(number: int) -> str:
    """The same in a cluster, for the node that has this key. See `data_marks`."""
    return f"{INCARNATION}:{{{number}}}"


PROBES = "hermes:probes"
"""List: serialised `hermes.v1.ProbeJob`s that no decoder has taken yet. Holds credentials. Expires.
"""


def probe_answer(job_id: str) -> str:
    """List: one serialised `hermes.v1.CameraServiceProbeResponse`. Expires."""
    return f"hermes:probe:{job_id}"


WATCHES = "hermes:watches"
"""Hash: watch id -> serialised `hermes.v1.Watch`."""

WATCHES_VERSION = f"{{{WATCHES}}}:version"
"""String: grows with each change of `WATCHES`. The hash tag puts it into the same slot."""

WATCHES_INCARNATION = f"{{{WATCHES}}}:incarnation"
"""As `INCARNATION`, in a cluster, for the node of `WATCHES`."""

WATCH_ROOMS = "hermes:workers:watches"
"""Hash: instance of a worker -> JSON of the evaluations a second that it can make, and makes."""

EVENTS = "hermes:events"
"""Stream: field `e` = a serialised `hermes.v1.Event`, one message about an event of any camera."""

EVENTS_INDEX = f"{{{EVENTS}}}:index"
"""Sorted set: the events that are kept (see `event_record`), by the time when they were opened."""

EVENTS_OPEN = f"{{{EVENTS}}}:open"
"""Hash: id of an event that is open -> its watch, `/`, its camera."""

EVENTS_TRIMMED = f"{{{EVENTS}}}:trimmed"
"""String: id of the newest entry of `EVENTS` that was trimmed."""


def event(event_id: str) -> str:
    """Hash: an event as its last message left it. Expires once it is closed."""
    return f"{{{EVENTS}}}:event:{event_id}"


def watch_removed(watch_id: str) -> str:
    """String: `created` (ns) and version of the last watch of this id that was removed. Expires."""
    return f"{{{WATCHES}}}:removed:{watch_id}"


def watch_sent(watch_id: str) -> str:
    """String: capture time (ms) of the frame that an event was opened with last, and its camera."""
    return f"{{{WATCHES}}}:sent:{watch_id}"


def members(role: Role) -> str:
    """Hash: instance -> JSON of address, capacity, load and heartbeat."""
    return f"hermes:{role}s"


def frames(camera_id: str) -> str:
    """Stream: field `c` = a serialised `hermes.v1.FrameChunk`."""
    return f"hermes:{{{camera_id}}}:frames"


def lease(camera_id: str, role: Role) -> str:
    """Hash: instance, address, epoch, expires_ms, state."""
    return f"hermes:{{{camera_id}}}:lease:{role}"


def aside(camera_id: str, role: Role) -> str:
    """String: exists while the lease is kept for a holder that Redis forgot. Expires."""
    return f"hermes:{{{camera_id}}}:aside:{role}"


def removed(camera_id: str) -> str:
    """String: `created` (ns) of the newest camera of this id that was removed. Expires."""
    return f"hermes:{{{camera_id}}}:removed"


def checkpoint(camera_id: str) -> str:
    """Hash: where the snapshot lies, the last stream id that it holds, its epoch."""
    return f"hermes:{{{camera_id}}}:checkpoint"


def status(camera_id: str) -> str:
    """Hash: the camera's status, as reported by its decoder and its worker."""
    return f"hermes:{{{camera_id}}}:status"


def watch_state(camera_id: str) -> str:
    """Hash: watch id -> what its trigger remembers of this camera."""
    return f"hermes:{{{camera_id}}}:watch-state"


def watch_outbox(camera_id: str) -> str:
    """Hash: `epoch-number` -> a serialised `hermes.v1.Event` that is not yet in `EVENTS`."""
    return f"hermes:{{{camera_id}}}:watch-outbox"


def all_of(camera_id: str) -> list[str]:
    """Every key that goes with the camera: all but its entry in `CAMERAS` and its tombstone."""
    return [
        frames(camera_id),
        lease(camera_id, "worker"),
        lease(camera_id, "decoder"),
        aside(camera_id, "worker"),
        aside(camera_id, "decoder"),
        checkpoint(camera_id),
        status(camera_id),
        watch_state(camera_id),
        watch_outbox(camera_id),
    ]


def notifier_owner(sink: str) -> str:
    """String: exists while an instance of the notifier delivers to the sink. Expires."""
    return f"hermes:notifier:{{{sink}}}:owner"


def notifier_open(sink: str) -> str:
    """Hash: watch and camera -> the last event that the sink got, without pictures."""
    return f"hermes:notifier:{{{sink}}}:open"


def dead_letters(sink: str) -> str:
    """Stream: messages that the sink did not take: fields `e`, `why`, `position`, `id`."""
    return f"hermes:notifier:{{{sink}}}:dead"


def resend(sink: str) -> str:
    """Stream: dead letters that an operator wants sent again. Fields as of `dead_letters`."""
    return f"hermes:notifier:{{{sink}}}:resend"
