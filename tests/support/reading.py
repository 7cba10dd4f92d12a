"""A camera that is read in this process, without a decoder service or a Redis."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from hermes.v1.camera_pb2 import Camera
from hermes.v1.frames_pb2 import Frame
from services.common.backoff import Backoff
from services.common.camera_credentials import CameraCredentials
from services.decoder.chunker import CaptureClock, Chunker, Origin
from services.decoder.outbox import Outbox
from services.decoder.reader import Position, Reader
from services.decoder.report import Report
from services.decoder.settings import DecoderSettings
from services.decoder.suspensions import Suspensions
from services.decoder.telemetry import Telemetry


@dataclass
class Reading:
    """Reads while it is open. A context manager."""

    camera: Camera
    settings: DecoderSettings
    suspensions: Suspensions = field(default_factory=Suspensions)

    def __enter__(self) -> Self:
        self._telemetry = Telemetry()
        self._outbox = Outbox(
            Chunker(Origin(self.camera.id, 1, live=True), 1, 60.0),
            live=True,
            staleness_s=600.0,
            on_dropped=self._telemetry.dropped,
        )
        self._stop = threading.Event()
        self.reader = Reader(
            self.camera,
            CameraCredentials(None, None),
            self.settings,
            self._outbox,
            CaptureClock(),
            self._telemetry,
            Backoff(0.1, 0.2),
            Position(),
            self._stop,
            self.suspensions,
        )
        self.frames: list[Frame] = []
        self.opened_ms = time.time_ns() // 10**6
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._collect)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def _read(self) -> None:
        self.reader.run()
        self._outbox.close()

    def _collect(self) -> None:
        while not self._outbox.finished:
            self.suspensions.tick()
            if (pending := self._outbox.take(0.1)) is not None:
                self.frames += pending.chunk.frames

    def wait(self, timeout_s: float) -> None:
        """Return once the source has ended."""
        for thread in self._threads:
            thread.join(timeout_s)
            assert not thread.is_alive(), "the source did not end"

    @property
    def report(self) -> Report:
        """What the reader says of itself."""
        return self._telemetry.report()

    @property
    def capture_ms(self) -> list[int]:
        """Capture times of the frames so far."""
        return [frame.capture_time_ms for frame in self.frames]

    @property
    def media_ms(self) -> list[int]:
        """Positions of a file's frames so far."""
        return [frame.media_time_ms for frame in self.frames]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._outbox.close()
        for thread in self._threads:
            thread.join(5)


def read_file(path: Path, fps: float) -> Reading:
    """What comes of a file that is read as fast as it can be."""
    camera = Camera(id="file", url=path.name, sampling={"frames_per_second": fps})
    with Reading(camera, DecoderSettings(media_root=path.parent, frame_size="64")) as reading:
        reading.wait(20)
    return reading
