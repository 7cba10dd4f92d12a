"""What an instance does with the cameras that it owns."""

from __future__ import annotations

from typing import Protocol

from hermes.v1.camera_pb2 import Camera
from services.common.leases import Lease

FAILED = "failed"
"""A state: the holder cannot go on with the camera. It is given up, and rests here for a while."""

FINISHED = "finished"
"""A state: nothing is left to do for the camera. It is kept, and takes up no place."""


class Holder(Protocol):
    """What is done with owned cameras. Called on the ownership thread; must not block.

    An exception concerns that camera alone: it is logged, the camera is given
    up (`lost` is called) and its lease released.
    """

    def gained(self, camera: Camera, lease: Lease) -> None:
        """The camera is ours. Called again with a higher epoch if the lease had to be retaken."""
        ...

    def lost(self, camera_id: str) -> None:
        """The camera is not ours any more, or will not be: forget it."""
        ...

    def removed(self, camera: Camera) -> None:
        """A camera that was ours is registered no more. `lost` was called before."""
        ...

    def state(self, camera_id: str) -> str:
        """What to write into the lease: `replaying`, `serving`, ...

        `FAILED` has the camera given up; a `FINISHED` one leaves its place to another.
        """
        ...

    def prepare(self, camera: Camera) -> None:
        """Make ready to be handed the camera by its owner: `gained` comes next, or `lost`."""
        ...

    def prepared(self, camera_id: str) -> bool:
        """Whether it could be handed over now."""
        ...

    def leave(self, camera_id: str) -> bool:
        """Begin nothing more with a camera of ours. Whether all that was begun has ended.

        Called until that is so. `lost` comes next, or `stay`.
        """
        ...

    def stay(self, camera_id: str) -> None:
        """Go on with it after all."""
        ...
