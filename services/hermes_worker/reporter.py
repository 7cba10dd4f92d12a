"""What each memory holds, for its camera's status and for the metrics."""

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
from services.common.camera_status import Fields, memory_fields
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.hermes_worker.convert import coverage_message
from services.hermes_worker.tenure import Tenure, cursor_of
from services.hermes_worker.tenures import Tenures

log = logs.get(__name__)

_PAGE = resource.getpagesize()


class Reporter:
    """Reads what each memory holds: into the gauges, and for the `StatusWriter`."""

    def __init__(self, engine: Engine, tenures: Tenures, metrics: Metrics) -> None:
        self._engine = engine
        self._tenures = tenures
        self._metrics = metrics
        self._bands = Bands.of(engine.model.shape.layers)

    def read(self) -> list[tuple[Lease, Fields]]:
        """Set the gauges; the status of every camera that we own, with its lease."""
        self._device()
        statuses = []
        for tenure in self._tenures.all():
            try:
                report, lease = tenure.handle.report(), tenure.lease
                if lease is None:
                    continue
                self._gauges(tenure.camera.id, report)
                self._metrics.kept_pictures.labels(tenure.camera.id).set(tenure.pictures.size)
                status = self._status(tenure, lease, report)
                durable_id = tenure.checkpoint.durable_id
                fields = memory_fields(status, str(cursor_of(report)), durable_id)
            except Exception:
                log.exception("status_not_made", camera=tenure.camera.id)
                continue
            statuses.append((lease, fields))
        return statuses

    def _status(self, tenure: Tenure, lease: Lease, report: SessionReport) -> MemoryStatus:
        status = MemoryStatus(
            state=MEMORY_STATE_SERVING if tenure.caught_up else MEMORY_STATE_REPLAYING,
            frames=report.coverage.frames,
            tokens=report.tokens,
            bytes=report.kv_bytes,
            taken_ratio=report.taken,
            coverage=coverage_message(report.coverage),
            worker=lease.fence.instance,
            epoch=lease.epoch,
        )
        status.lag.FromMilliseconds(int(report.lag_s * 1000))
        return status

    def _gauges(self, camera_id: str, report: SessionReport) -> None:
        layers = self._engine.model.shape.layers
        self._metrics.frame_taken.labels(camera_id).set(report.taken)
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
