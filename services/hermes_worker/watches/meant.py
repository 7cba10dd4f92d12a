"""Which watches mean which cameras: worked out when one of them changes, not each round."""

from __future__ import annotations

from collections.abc import Mapping

from hermes.v1.camera_pb2 import Camera
from hermes.v1.watch_pb2 import Watch
from services.common.watch_rules import covers


class MeantWatches:
    """The watches of each camera. For one thread."""

    def __init__(self) -> None:
        self._watches: Mapping[str, Watch] = {}
        self._known: dict[str, tuple[Camera, Mapping[str, Watch]]] = {}

    def follow(self, watches: Mapping[str, Watch]) -> None:
        """The registered watches are these. The same mapping means that nothing has changed."""
        if watches is not self._watches:
            self._watches = watches
            self._known.clear()

    def of(self, camera: Camera) -> Mapping[str, Watch]:
        """The watches that mean the camera: the same mapping as before, if nothing has changed."""
        known = self._known.get(camera.id)
        if known is not None and known[0] is camera:
            return known[1]
        if known is not None and known[0].labels == camera.labels:
            meant = known[1]
        else:
            meant = {watch.id: watch for watch in self._watches.values() if covers(watch, camera)}
        self._known[camera.id] = camera, meant
        return meant

    def forget(self, camera_id: str) -> None:
        """The camera is not ours any more."""
        self._known.pop(camera_id, None)
