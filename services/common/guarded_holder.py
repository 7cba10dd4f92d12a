"""Calls a holder so that a fault with one camera spreads no further."""

from __future__ import annotations

from collections.abc import Callable

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.holder import Holder
from services.common.leases import Lease

log = logs.get(__name__)


class GuardedHolder:
    """The calls of `Holder`. An exception is logged with its camera, and never raised."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder

    def gained(self, camera: Camera, lease: Lease) -> bool:
        """Whether the holder could begin with the camera."""
        return _call("camera_not_begun", camera.id, lambda: self._holder.gained(camera, lease))

    def lost(self, camera_id: str) -> None:
        """See `Holder.lost`."""
        _call("camera_not_ended", camera_id, lambda: self._holder.lost(camera_id))

    def removed(self, camera: Camera) -> None:
        """See `Holder.removed`."""
        _call("camera_not_removed", camera.id, lambda: self._holder.removed(camera))

    def state(self, camera_id: str) -> str:
        """See `Holder.state`; `unknown` after an exception."""
        try:
            return self._holder.state(camera_id)
        except Exception:
            log.exception("camera_state_unknown", camera=camera_id)
            return "unknown"

    def prepare(self, camera: Camera) -> bool:
        """Whether the holder could begin to prepare the camera."""
        return _call("camera_not_prepared", camera.id, lambda: self._holder.prepare(camera))

    def prepared(self, camera_id: str) -> bool:
        """See `Holder.prepared`; False after an exception."""
        try:
            return self._holder.prepared(camera_id)
        except Exception:
            log.exception("camera_readiness_unknown", camera=camera_id)
            return False

    def leave(self, camera_id: str) -> bool:
        """See `Holder.leave`; False after an exception."""
        try:
            return self._holder.leave(camera_id)
        except Exception:
            log.exception("camera_not_left", camera=camera_id)
            return False

    def stay(self, camera_id: str) -> None:
        """See `Holder.stay`."""
        _call("camera_not_resumed", camera_id, lambda: self._holder.stay(camera_id))


def _call(event: str, camera_id: str, call: Callable[[], None]) -> bool:
    try:
        call()
    except Exception:
        log.exception(event, camera=camera_id)
        return False
    return True
