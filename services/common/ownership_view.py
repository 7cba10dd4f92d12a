"""What an instance knows when it plans a round of ownership. Nothing in here changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermes.v1.camera_pb2 import Camera
from services.common.leases import Lease, Owner
from services.common.placement import Member


@dataclass(frozen=True, slots=True)
class HeldCamera:
    """A camera that this instance owns."""

    camera: Camera
    lease: Lease
    valid_until: float
    """When we must stop acting under the lease, by our own clock."""
    reported_state: str = ""
    """The state that the lease in Redis shows."""
    successor: str = ""
    """The instance that the camera is being handed to, or ""."""


@dataclass(frozen=True, slots=True)
class Succession:
    """A camera that this instance prepares to take over."""

    camera: Camera
    owner: Owner
    """The owner as it was at the last report."""
    since: float
    reported_at: float
    reported_ready: bool = False


@dataclass(frozen=True, slots=True)
class HeldView:
    """What the first half of a round starts from: our own cameras and the registry."""

    now: float
    renewed_at: float
    held: Mapping[str, HeldCamera]
    states: Mapping[str, str]
    """The state of each held camera, as its holder says it now."""
    registered: Mapping[str, Camera]
    redis_lost_data: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What the second half of a round starts from: also the other instances and all leases."""

    now: float
    redis_now_ms: int
    own: Member
    """Our own entry, with our present load. `draining`: we retire."""
    members: tuple[Member, ...]
    """All instances that are alive, our own among them."""
    capacity: int
    balance: bool
    """Whether cameras may move only to balance the load."""
    registered: Mapping[str, Camera]
    owners: Mapping[str, Owner | None]
    """The owner of every registered camera."""
    held: Mapping[str, HeldCamera] = field(default_factory=dict)
    preparing: Mapping[str, Succession] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    """Those of `preparing` that could be taken over now."""
    unattended: Mapping[str, Owner] = field(default_factory=dict)
    """Owners that have not renewed for a full TTL, by our own clock."""
    free_since: Mapping[str, float] = field(default_factory=dict)
    """When we first saw that a camera could be claimed. See `free_since`."""
    resting: frozenset[str] = frozenset()
    """Cameras that failed here a moment ago."""

    def successor_of(self, camera_id: str) -> Member | None:
        """The instance that prepares to take the camera over, if it is alive and not draining."""
        owner = self.owners.get(camera_id)
        if owner is None or owner.successor_until_ms <= self.redis_now_ms:
            return None
        for member in self.members:
            if member.instance == owner.successor and not member.draining:
                return member
        return None

    def owned_by_us(self, camera_id: str) -> bool:
        """Whether the lease in Redis names this instance."""
        owner = self.owners.get(camera_id)
        return owner is not None and owner.instance == self.own.instance


def free_since(
    before: Mapping[str, float],
    now: float,
    own: str,
    owners: Mapping[str, Owner | None],
    unattended: Mapping[str, Owner],
    held: Mapping[str, HeldCamera],
) -> dict[str, float]:
    """When each camera that can be claimed was first seen so. `before`: the last result.

    A camera can be claimed if it has no owner, an owner that stopped, or if its
    lease names `own` although we do not hold it: it was handed to us.
    """
    free = (
        camera_id
        for camera_id, owner in owners.items()
        if camera_id not in held
        and (owner is None or owner.instance == own or camera_id in unattended)
    )
    return {camera_id: before.get(camera_id, now) for camera_id in free}
