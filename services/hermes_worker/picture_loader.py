"""Brings the pictures of restored memories back from the store, on a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.common import logs
from services.common.heartbeats import Heartbeats
from services.common.periodic import Periodic
from services.hermes_worker.picture_store import PictureStore
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures

log = logs.get(__name__)

PAUSE_S = 0.25
RETRY_S = 5.0
STORE_LIMIT_S = float("inf")
"""A store that hangs keeps pictures away and nothing else: it is no reason for a restart."""


class PictureLoader:
    """One camera after the other, once its memory is restored: no takeover waits for it.

    The store is looked through once for each lease, as the former owner may have
    written more pictures until the camera was handed over.
    """

    def __init__(
        self,
        tenures: Tenures,
        store: PictureStore,
        heartbeats: Heartbeats | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenures = tenures
        self._store = store
        self._clock = clock
        self._retry_at = 0.0
        self._periodic = Periodic(
            "pictures", self.step, PAUSE_S, heartbeats or Heartbeats(), limit_s=STORE_LIMIT_S
        )

    def start(self) -> None:
        """Begin."""
        self._periodic.start()

    def stop(self) -> None:
        """Stop. Does not wait for what is under way: a read from a store may hang."""
        self._periodic.stop(timeout_s=0.0)

    def step(self) -> None:
        """Load the pictures of every camera that has none from the store yet."""
        if self._clock() < self._retry_at:
            return
        for tenure in self._tenures.all():
            if not self._periodic.stopping and _due(tenure):
                self._load(tenure)

    def _load(self, tenure: Tenure) -> None:
        try:
            self._store.load(tenure)
        except Exception as error:  # each file system has its own
            log.warning(
                "pictures_not_loaded",
                camera=tenure.camera.id,
                error=f"{type(error).__name__}: {error}",
            )
            self._retry_at = self._clock() + RETRY_S


def _due(tenure: Tenure) -> bool:
    lease = tenure.lease
    epoch = 0 if lease is None else lease.epoch
    restored = tenure.position is not None and not tenure.handle.closed
    return restored and tenure.shelf.listed_for != epoch
