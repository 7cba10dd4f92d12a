"""Cameras that this instance makes ready to be handed: the receiving side of a planned move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.holder import Holder
from services.common.leases import Leases, Owner

log = logs.get(__name__)

PATIENCE_S = 120.0
"""Whoever is not ready by then, or not handed the camera, lets it be."""
SAY_AGAIN_S = 1.0


@dataclass(slots=True)
class _Standing:
    camera: Camera
    since: float
    owner: Owner
    said_at: float
    ready: bool = False


class Heirs:
    """Keeps a place for each such camera, and tells its owner how far it is."""

    def __init__(
        self, instance: str, leases: Leases, holder: Holder, clock: Callable[[], float]
    ) -> None:
        self._instance = instance
        self._leases = leases
        self._holder = holder
        self._clock = clock
        self._standing: dict[str, _Standing] = {}

    def __len__(self) -> int:
        return len(self._standing)

    def __contains__(self, camera_id: str) -> bool:
        return camera_id in self._standing

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._standing))

    @property
    def urgent(self) -> bool:
        """Whether a camera may be ours at any moment."""
        return any(standing.ready for standing in self._standing.values())

    def begin(self, camera: Camera, owner: Owner) -> None:
        """Make ready, unless another instance does."""
        if self._leases.prepare(camera.id, owner, ready=False) != "SUCCESSOR":
            return
        try:
            self._holder.prepare(camera)
        except Exception:
            log.exception("camera_not_prepared", camera=camera.id)
            self._leases.withdraw(camera.id, owner)
            return
        log.info("camera_preparing", camera=camera.id, owner=owner.instance)
        now = self._clock()
        self._standing[camera.id] = _Standing(camera, now, owner, now)

    def tick(
        self,
        cameras: Mapping[str, Camera],
        owners: Mapping[str, Owner | None],
        *,
        retiring: bool = False,
    ) -> None:
        """Say how far each is, and let be what will not come. `retiring`: none is to come."""
        for camera_id, standing in list(self._standing.items()):
            current, owner = cameras.get(camera_id), owners.get(camera_id)
            if current is None or current.created != standing.camera.created:
                self.abandon(camera_id, "removed")
            elif owner is None or owner.instance == self._instance:
                if retiring and owner is None:
                    self.abandon(camera_id, "about to end")
                # Else it is free, or ours already: whoever claims finds out.
            elif owner.instance != standing.owner.instance:
                self.abandon(camera_id, "another instance took it")
            elif retiring or self._clock() - standing.since > PATIENCE_S:
                self._leases.withdraw(camera_id, owner)
                self.abandon(camera_id, "about to end" if retiring else "not handed over in time")
            else:
                self._say(camera_id, standing, owner)

    def _say(self, camera_id: str, standing: _Standing, owner: Owner) -> None:
        ready, now = self._holder.prepared(camera_id), self._clock()
        news = ready != standing.ready or owner.epoch != standing.owner.epoch
        if not news and now - standing.said_at < SAY_AGAIN_S:
            return
        if self._leases.prepare(camera_id, owner, ready=ready) == "TAKEN":
            self.abandon(camera_id, "another instance makes ready")
            return
        standing.ready, standing.owner, standing.said_at = ready, owner, now

    def leave_to(self, camera_id: str) -> None:
        """Another instance took the camera."""
        if camera_id in self._standing:
            self.abandon(camera_id, "another instance took it")

    def came(self, camera_id: str) -> None:
        """The camera is ours now."""
        self._standing.pop(camera_id, None)

    def abandon(self, camera_id: str, why: str) -> None:
        """Let a camera be."""
        if self._standing.pop(camera_id, None) is None:
            return
        log.info("camera_not_taken_over", camera=camera_id, why=why)
        try:
            self._holder.lost(camera_id)
        except Exception:
            log.exception("camera_not_ended", camera=camera_id)
