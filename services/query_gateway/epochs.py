"""The newest epoch seen of each camera: no answer may come from before it."""

from __future__ import annotations

from collections import OrderedDict

MAX_CAMERAS = 10_000


class Epochs:
    """Remembers the cameras that were used last, up to a bound."""

    def __init__(self, max_cameras: int = MAX_CAMERAS) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._max_cameras = max_cameras

    def newest(self, camera_id: str) -> int:
        """The newest epoch seen, 0 if none is remembered."""
        return self._newest.get(camera_id, 0)

    def saw(self, camera_id: str, epoch: int) -> None:
        """Note an epoch. An older one changes nothing."""
        self._newest[camera_id] = max(epoch, self._newest.get(camera_id, 0))
        self._newest.move_to_end(camera_id)
        while len(self._newest) > self._max_cameras:
            self._newest.popitem(last=False)

    def forget(self, camera_id: str) -> None:
        """The camera is gone: should its id come back, its epochs begin anew."""
        self._newest.pop(camera_id, None)
