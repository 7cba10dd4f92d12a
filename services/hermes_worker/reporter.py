"""Once a second: what each memory holds, into Redis and into the metrics."""

from __future__ import annotations

import resource
from pathlib import Path

import torch

from hermes.engine import Engine, SessionReport
from hermes.memory import Bands
from hermes.v1.camera_pb2 import (
    MEMORY_STATE_REPLAYING,
    MEMORY_STATE_SERVING,
    MemoryStatus,
)
from services.common import logs
from services.common.camera_status import memory_fields
from services.common.heartbeats import Heartbeats
from services.common.leases import Lease, Leases
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.hermes_worker.convert import coverage_message
from services.hermes_worker.memories import Memories, Tracked, cursor_of

log = logs.get(__name__)

EVERY_S = 1.0
_PAGE = resource.getpagesize()


class Reporter:
    """Publishes the state of all memories from a thread of its own."""

    def __init__(
        self,
        leases: Leases,
        engine: Engine,
        memories: Memories,
        metrics: Metrics,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._leases = leases
        self._engine = engine
        self._memories = memories
        self._metrics = metrics
        self._bands = Bands.of(engine.model.shape.layers)
        self._periodic = Periodic("reporter", self.step, EVERY_S, heartbeats or Heartbeats())

    def start(self) -> None:
        """Begin to report."""
        self._periodic.start()

    def stop(self) -> None:
        """Stop."""
        self._periodic.stop()

    def step(self) -> None:
        """One report of every camera. Raises `redis.RedisError`."""
        self._device()
        statuses = []
        for tracked in self._memories.all():
            try:
                report, lease = tracked.handle.report(), tracked.lease
                if lease is None:
                    continue
                self._gauges(tracked.camera.id, report)
                status = self._status(tracked, lease, report)
                fields = memory_fields(status, str(cursor_of(report)), tracked.durable)
            except Exception:
                log.exception("status_not_made", camera=tracked.camera.id)
                continue
            statuses.append((lease, fields))
        fenced = self._leases.put_status(statuses)
        if fenced:
            self._metrics.fenced_writes.inc(fenced)

    def _status(self, tracked: Tracked, lease: Lease, report: SessionReport) -> MemoryStatus:
        status = MemoryStatus(
            state=MEMORY_STATE_SERVING if tracked.serving else MEMORY_STATE_REPLAYING,
            frames=report.coverage.frames,
            tokens=report.tokens,
            bytes=report.kv_bytes,
            coverage=coverage_message(report.coverage),
            worker=lease.fence.instance,
            epoch=lease.epoch,
        )
        status.lag.FromMilliseconds(int(report.lag_s * 1000))
        return status

    def _gauges(self, camera_id: str, report: SessionReport) -> None:
        layers = self._engine.model.shape.layers
        for band, members in self._bands.items():
            if members:
                share = report.kv_bytes * len(members) // layers
                self._metrics.memory_tokens.labels(camera_id, band).set(report.tokens)
                self._metrics.memory_bytes.labels(camera_id, band).set(share)

    def _device(self) -> None:
        device = self._engine.model.shape.device
        gauge = self._metrics.device_memory
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            gauge.labels(str(device), "free").set(free)
            gauge.labels(str(device), "allocated").set(torch.cuda.memory_allocated(device))
            gauge.labels(str(device), "reserved").set(torch.cuda.memory_reserved(device))
            gauge.labels(str(device), "peak").set(torch.cuda.max_memory_allocated(device))
            return
        # On a CPU the device's memory is the process's own.
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        gauge.labels("cpu", "allocated").set(resident)
        gauge.labels("cpu", "peak").set(peak)
