"""Snapshots of cameras that were removed: they are deleted, however long the store is away."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.hermes_worker.checkpoints import Checkpoints

log = logs.get(__name__)

RETRY_S = 5.0


class SnapshotRemovals:
    """Cameras whose snapshots are still to be deleted."""

    def __init__(
        self, checkpoints: Checkpoints, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._checkpoints = checkpoints
        self._clock = clock
        self._waiting: deque[Camera] = deque()
        self._retry_at = float("-inf")

    def add(self, camera: Camera) -> None:
        """The camera was removed. Any thread; returns at once."""
        self._waiting.append(camera)

    def step(self) -> None:
        """Delete them. What fails is tried again later. On the checkpoint thread."""
        now = self._clock()
        if now < self._retry_at:
            return
        for _ in range(len(self._waiting)):
            camera = self._waiting.popleft()
            try:
                self._checkpoints.remove(camera)
            except Exception as error:  # each file system has its own
                log.warning("checkpoints_not_removed", camera=camera.id, error=str(error))
                self._waiting.append(camera)
                self._retry_at = now + RETRY_S
