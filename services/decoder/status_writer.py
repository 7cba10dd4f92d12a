"""Writes what the supervisor knows of each camera into Redis, about once a second."""

from __future__ import annotations

import threading

import redis

from hermes.v1.camera_pb2 import SourceError, SourceState
from services.common import logs
from services.common.camera_status import source_fields
from services.common.leases import Leases
from services.common.metrics import Metrics
from services.decoder.supervisor import Supervisor

log = logs.get(__name__)

EVERY_S = 1.0
LOOK_S = 0.1
"""A change of state is written at once, a change of numbers waits its turn."""


class StatusWriter:
    """On a thread of its own: a slow Redis holds up nothing else."""

    def __init__(self, supervisor: Supervisor, leases: Leases, metrics: Metrics) -> None:
        self._supervisor = supervisor
        self._leases = leases
        self._metrics = metrics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write once more and end."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        shown: dict[str, tuple[int, SourceState, SourceError]] = {}
        waited_s = EVERY_S
        while True:
            stopping = self._stop.wait(LOOK_S)
            waited_s += LOOK_S
            statuses = self._supervisor.statuses()
            states = {
                lease.camera_id: (lease.epoch, status.state, status.error)
                for lease, status in statuses
            }
            if waited_s >= EVERY_S or states != shown or stopping:
                try:
                    refused = self._leases.put_status(
                        (lease, source_fields(status)) for lease, status in statuses
                    )
                    self._metrics.fenced_writes.inc(refused)
                    shown, waited_s = states, 0.0
                except redis.RedisError as error:
                    # Said once by the ownership loop; here it is only tried again.
                    log.debug("status_not_written", error=str(error))
                    waited_s = 0.0
                except Exception:
                    log.exception("status_writer_failed")
                    waited_s = 0.0
            if stopping:
                return
