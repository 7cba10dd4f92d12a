"""What a service does with the cameras that its instance owns."""

from __future__ import annotations

from typing import Protocol

from hermes.v1.camera_pb2 import Camera
from services.common.leases import Lease

FAILED = "failed"
"""A state: the holder cannot go on with the camera. It is given up, and rests here for a while."""

FINISHED = "finished"
"""A state: nothing is left to do for the camera. It is kept, and takes up no place."""


class Holder(Protocol):
    """Keeps (worker) or reads (decoder) owned cameras. Called on the ownership thread.

    No method may block: leases would not be renewed meanwhile. An exception
    concerns one camera only and is logged. After one in `gained`, the camera is
    given up: `lost` is called and the lease released.
    """

    def gained(self, camera: Camera, lease: Lease) -> None:
        """The camera is ours. Called again, with a higher epoch, if Redis lost the lease."""
        ...

    def lost(self, camera_id: str) -> None:
        """The camera is no longer ours, or we prepare it no longer: drop what belongs to it."""
        ...

    def removed(self, camera: Camera) -> None:
        """A camera that was ours was removed: delete what is stored of it. Follows `lost`."""
        ...

    def state(self, camera_id: str) -> str:
        """The state to report in the lease: `replaying`, `serving`, ...

        `FAILED` has the camera given up; a `FINISHED` one leaves its place to another.
        """
        ...

    def prepare(self, camera: Camera) -> None:
        """Prepare to take the camera over from its owner. `gained` or `lost` follows."""
        ...

    def prepared(self, camera_id: str) -> bool:
        """Whether the camera could be handed to us now."""
        ...

    def leave(self, camera_id: str) -> bool:
        """Begin no new work with a camera of ours. Returns whether all work has ended.

        Called again until it has. `lost` or `stay` follows.
        """
        ...

    def stay(self, camera_id: str) -> None:
        """Go on with a camera that was to be handed over."""
        ...
