"""The cameras that this instance prepares to take over: the receiving side of a hand-over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.guarded_holder import GuardedHolder
from services.common.leases import Leases, Owner
from services.common.ownership_actions import WhyAbandoned
from services.common.ownership_view import Succession

log = logs.get(__name__)


class Successions:
    """Prepares cameras with the holder, and reports to their owners."""

    def __init__(self, leases: Leases, holder: GuardedHolder, clock: Callable[[], float]) -> None:
        self._leases = leases
        self._holder = holder
        self._clock = clock
        self._preparing: dict[str, Succession] = {}

    def __len__(self) -> int:
        return len(self._preparing)

    @property
    def all(self) -> dict[str, Succession]:
        """Every succession by camera id, as it is now."""
        return dict(self._preparing)

    @property
    def ready(self) -> frozenset[str]:
        """The cameras that could be taken over now."""
        return frozenset(c for c in self._preparing if self._holder.prepared(c))

    @property
    def urgent(self) -> bool:
        """Whether a camera may be handed over at any moment."""
        return any(succession.reported_ready for succession in self._preparing.values())

    def begin(self, camera: Camera, owner: Owner) -> None:
        """Prepare a camera, unless another instance does."""
        if self._leases.prepare(camera.id, owner, ready=False) != "SUCCESSOR":
            return
        if not self._holder.prepare(camera):
            self._leases.withdraw(camera.id, owner)
            return
        log.info("camera_preparing", camera=camera.id, owner=owner.instance)
        now = self._clock()
        self._preparing[camera.id] = Succession(camera, owner, since=now, reported_at=now)

    def report(self, camera_id: str, owner: Owner, *, ready: bool) -> None:
        """Report to the owner whether we are ready."""
        if self._leases.prepare(camera_id, owner, ready=ready) == "TAKEN":
            self.abandon(camera_id, "another instance prepares it")
            return
        self._preparing[camera_id] = replace(
            self._preparing[camera_id],
            owner=owner,
            reported_at=self._clock(),
            reported_ready=ready,
        )

    def abandon(self, camera_id: str, why: WhyAbandoned, owner: Owner | None = None) -> None:
        """Prepare a camera no longer, if we did. `owner`: to whom that is reported."""
        if camera_id not in self._preparing:
            return
        if owner is not None:
            self._leases.withdraw(camera_id, owner)
        del self._preparing[camera_id]
        log.info("camera_not_taken_over", camera=camera_id, why=why)
        self._holder.lost(camera_id)

    def taken_over(self, camera_id: str) -> None:
        """The camera is ours now, and no longer being prepared."""
        self._preparing.pop(camera_id, None)
