"""Admission: whether the workers can carry a watch beside those that they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hermes.errors import Overloaded
from hermes.v1.camera_pb2 import Camera
from hermes.v1.watch_pb2 import Watch
from services.common.placement import Member
from services.common.watch_room import WatchRoom
from services.common.watch_rules import covers, seconds

DEFAULT_FPS = 1.0
"""Frames a second of a camera that has the deployment's default."""
RETRY_AFTER_S = 60.0
NEW_S = 30.0
"""A watch counts in what workers say that they carry from this age on; until then it is added."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The evaluations that a watch takes, at most: of so many cameras, so many a second."""

    cameras: int
    per_second: float


def estimate(watch: Watch, cameras: Iterable[Camera]) -> Estimate:
    """What a watch takes of the cameras that it means now.

    It is asked after every frame, or as often as it says. What is left out because
    nothing changed is not known beforehand.
    """
    meant = [camera for camera in cameras if covers(watch, camera)]
    if watch.paused:
        return Estimate(len(meant), 0.0)
    return Estimate(len(meant), sum(_rate(watch, camera) for camera in meant))


def _rate(watch: Watch, camera: Camera) -> float:
    fps = camera.sampling.frames_per_second or DEFAULT_FPS
    pause_s = seconds(watch.diary.interval if watch.HasField("diary") else watch.every)
    return min(fps, 1 / pause_s) if pause_s else fps


def admit(
    watch: Watch,
    before: Watch | None,
    others: Iterable[Watch],
    cameras: Mapping[str, Camera],
    workers: Sequence[Member],
    rooms: Mapping[str, WatchRoom],
    now_ns: int,
) -> None:
    """Raises `Overloaded`, in words, if the workers cannot carry the watch.

    `before`: the watch as it is, if it changes. `others`: those that are registered.
    `workers`: those that are alive; `rooms`: what they say, by instance. The watch is
    accepted if not every worker says what it can carry: one that has evaluated nothing yet
    does not know.
    """
    able = [worker.instance for worker in workers if not worker.draining]
    known = {instance for instance, room in rooms.items() if room.capacity}
    if not able or not known.issuperset(able):
        return
    taken = estimate(watch, cameras.values())
    more = taken.per_second
    if before is not None:
        more -= estimate(before, cameras.values()).per_second
    if more <= 0:
        return
    carried = sum(rooms[instance].load for instance in able)
    for other in others:
        if other.id != watch.id and now_ns - other.created.ToNanoseconds() < NEW_S * 1e9:
            carried += estimate(other, cameras.values()).per_second
    capacity = sum(rooms[instance].capacity for instance in able)
    if carried + more <= capacity:
        return
    raise Overloaded(
        f"the workers can evaluate watches {_shown(capacity)} times a second, and do"
        f" {_shown(carried)} times; watch {watch.id!r} would add {_shown(more)}"
        f" ({taken.cameras} camera{'' if taken.cameras == 1 else 's'}):"
        " ask more seldom (every), ask fewer cameras, or add workers",
        RETRY_AFTER_S,
    )


def _shown(rate: float) -> str:
    return f"{rate:.3g}" if rate < 1000 else f"{rate:.0f}"
