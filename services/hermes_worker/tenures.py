"""The cameras of this worker, by id."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hermes.engine import Engine
from hermes.v1.camera_pb2 import Camera
from services.common.holder import FAILED
from services.common.leases import Lease
from services.hermes_worker.earlier import EarlierMemory
from services.hermes_worker.tenure import Tenure


class Tenures:
    """The `services.common.ownership.Holder` of a worker: a tenure for each camera. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        *,
        earlier: Callable[[str], EarlierMemory | None] = lambda camera_id: None,
        restore: Callable[[Tenure], None] | None = None,
        removed: Callable[[Camera], None] = lambda camera: None,
        kept_pictures: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`earlier` looks up what the camera's previous owner had seen.

        `restore` is called with each new tenure, returns at once, and has
        `Tenure.restored` called later; None if there are no checkpoints.
        `removed` is called with each camera that was taken off the registry.
        `kept_pictures`: bytes of pictures that are kept beside each memory at most.
        """
        self._engine = engine
        self._earlier = earlier
        self._restore = restore
        self._removed = removed
        self._kept_pictures = kept_pictures
        self._clock = clock
        self._tenures: dict[str, Tenure] = {}
        self._lock = threading.Lock()

    def get(self, camera_id: str) -> Tenure | None:
        """One camera's tenure."""
        return self._tenures.get(camera_id)

    def all(self) -> list[Tenure]:
        """All tenures."""
        with self._lock:
            return list(self._tenures.values())

    # -- the Holder, called on the ownership thread --------------------------

    def gained(self, camera: Camera, lease: Lease) -> None:
        """Begin a tenure; or go on with the one that was prepared, or whose lease was retaken."""
        known = self._tenures.get(camera.id)
        if known is None:
            self._begin(camera, lease)
        else:
            known.gained(lease)

    def prepare(self, camera: Camera) -> None:
        """Make a memory of a camera that another worker owns."""
        if camera.id not in self._tenures:
            self._begin(camera, None)

    def _begin(self, camera: Camera, lease: Lease | None) -> None:
        # Looked up before our own status takes its place.
        earlier = self._earlier(camera.id)
        handle = self._engine.open(camera.id)
        restores = self._restore is not None
        tenure = Tenure(
            camera,
            handle,
            lease,
            earlier=earlier,
            restores=restores,
            kept_pictures=self._kept_pictures,
            clock=self._clock,
        )
        with self._lock:
            self._tenures[camera.id] = tenure
        if self._restore is not None:
            self._restore(tenure)

    def prepared(self, camera_id: str) -> bool:
        """Whether memory has caught up, and holds all that its owner's does."""
        tenure = self._tenures.get(camera_id)
        return tenure is not None and tenure.ready

    def leave(self, camera_id: str) -> bool:
        """Begin no new answer about the camera. Whether those that were begun have ended."""
        tenure = self._tenures.get(camera_id)
        return tenure is None or tenure.leave()

    def stay(self, camera_id: str) -> None:
        """Answer again."""
        tenure = self._tenures.get(camera_id)
        if tenure is not None:
            tenure.stay()

    def lost(self, camera_id: str) -> None:
        """Forget the camera's memory."""
        with self._lock:
            tenure = self._tenures.pop(camera_id, None)
        if tenure is not None:
            tenure.end()

    def removed(self, camera: Camera) -> None:
        """Forget what was kept of it elsewhere, too."""
        self._removed(camera)

    def state(self, camera_id: str) -> str:
        """`replaying` until memory holds what the log held when the camera came to us.

        `FAILED` if the device could not make a memory: another worker's may have room.
        """
        tenure = self._tenures.get(camera_id)
        if tenure is not None and tenure.handle.failure is not None:
            return FAILED
        return "serving" if tenure is not None and tenure.caught_up else "replaying"
