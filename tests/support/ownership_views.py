"""Makes views of ownership for tests: the camera is the lobby, and we are called `one`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hermes.v1.camera_pb2 import Camera
from services.common.leases import Fence, Lease, Owner
from services.common.ownership_view import HeldCamera, HeldView, Succession, View
from services.common.placement import Member, rank

NOW = 1000.0
NOW_MS = 5_000_000
EPOCH = 7


def camera(id: str = "lobby", created_s: int = 1) -> Camera:
    made = Camera(id=id, url="rtsp://host/s")
    made.created.FromSeconds(created_s)
    return made


def member(
    instance: str = "one", load: int = 0, *, capacity: int = 8, draining: bool = False
) -> Member:
    return Member(instance, f"{instance}:1", "cpu", capacity, load, NOW_MS, draining)


def owner(instance: str = "other", **fields: Any) -> Owner:
    return Owner(instance, f"{instance}:1", EPOCH, NOW_MS + 5000, "serving", **fields)


def with_successor(owned: Owner, successor: str, *, state: str = "ready", ms: int = 1) -> Owner:
    """`ms`: until the successor counts as gone."""
    return replace(
        owned, successor=successor, successor_state=state, successor_until_ms=NOW_MS + ms
    )


def held(made: Camera | None = None, **fields: Any) -> HeldCamera:
    made = made or camera()
    fields = {"valid_until": NOW + 5, "reported_state": "serving", **fields}
    return HeldCamera(made, Lease(made.id, "worker", Fence("one", EPOCH)), **fields)


def succession(made: Camera | None = None, **fields: Any) -> Succession:
    fields = {"owner": owner(), "since": NOW - 1, "reported_at": NOW, **fields}
    return Succession(made or camera(), **fields)


def held_view(*cameras: HeldCamera, registered: Iterable[Camera] | None = None) -> HeldView:
    """Nothing is due in it. Without `registered`, all that is held is registered."""
    if registered is None:
        registered = [one.camera for one in cameras]
    return HeldView(
        now=NOW,
        renewed_at=NOW,
        held={one.camera.id: one for one in cameras},
        states={one.camera.id: "serving" for one in cameras},
        registered={one.id: one for one in registered},
    )


def view(
    owners: dict[str, Owner | None] | None = None,
    *others: Member,
    own: Member | None = None,
    holds: Iterable[HeldCamera] = (),
    prepares: Iterable[Succession] = (),
    **fields: Any,
) -> View:
    """All cameras of `owners` are registered. Our load is what we hold and prepare."""
    owners = {} if owners is None else owners
    holds, prepares = list(holds), list(prepares)
    own = replace(own or member(), load=len(holds) + len(prepares))
    fields = {
        "registered": {camera_id: camera(camera_id) for camera_id in owners},
        "capacity": own.capacity,
        "balance": True,
        **fields,
    }
    return View(
        now=NOW,
        redis_now_ms=NOW_MS,
        own=own,
        members=(own, *others),
        owners=owners,
        held={one.camera.id: one for one in holds},
        preparing={one.camera.id: one for one in prepares},
        **fields,
    )


def ranked(place: int, *others: Member) -> str:
    """A camera for which `place` of these instances come before us."""
    ids = (f"camera-{n}" for n in range(10_000))
    return next(id for id in ids if rank(id, "one", others) == place)
