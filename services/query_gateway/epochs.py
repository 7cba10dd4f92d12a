"""The newest epoch seen of each camera. An answer with an older epoch is refused."""

from __future__ import annotations

from collections import OrderedDict

MAX_CAMERAS = 10_000


class Epochs:
    """Newest epochs of the most recently used cameras, up to a bound."""

    def __init__(self, max_cameras: int = MAX_CAMERAS) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._max_cameras = max_cameras

    def newest(self, camera_id: str) -> int:
        """The newest epoch seen, or 0."""
        return self._newest.get(camera_id, 0)

    def saw(self, camera_id: str, epoch: int) -> None:
        """Record an epoch, unless a newer one is known."""
        self._newest[camera_id] = max(epoch, self._newest.get(camera_id, 0))
        self._newest.move_to_end(camera_id)
        while len(self._newest) > self._max_cameras:
            self._newest.popitem(last=False)

    def forget(self, camera_id: str) -> None:
        """Drop a camera that was removed: a new camera of its id begins with new epochs."""
        self._newest.pop(camera_id, None)
