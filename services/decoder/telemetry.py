"""What a camera process knows about itself: state, counts, and whether it makes progress."""

from __future__ import annotations

import math
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_UNSPECIFIED,
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    PictureStatus,
)
from services.decoder.faults import SourceFault
from services.decoder.report import Report

BEAT_S = 1.0
"""A beat is valid for at least this long: reports are sent four times a second, and a
packet may arrive at any moment between two of them."""


class RateMeter:
    """Frames a second over the last `window_s` seconds."""

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_s = window_s
        self._times: list[float] = []

    def add(self, now_s: float) -> None:
        """Count a frame."""
        self._times.append(now_s)
        self._forget(now_s)

    def rate(self, now_s: float) -> float:
        """Frames a second, 0 once none came for the whole window."""
        self._forget(now_s)
        if len(self._times) < 2:
            return 0.0
        # From the first frame of the window, so that a young source is not read as a slow one.
        span_s = max(now_s - self._times[0], 1e-3)
        return (len(self._times) - 1) / span_s

    def _forget(self, now_s: float) -> None:
        cut = now_s - self._window_s
        keep = next((i for i, t in enumerate(self._times) if t >= cut), len(self._times))
        if keep:
            del self._times[:keep]


class Telemetry:
    """Collects a `Report`. Thread-safe."""

    def __init__(self, sampled: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._report = Report(sampled=sampled)
        self._meter = RateMeter()
        self._alive_until = math.inf

    def beat(self, allow_s: float = 0.0) -> None:
        """The reading thread made progress; its next beat may take `allow_s` seconds longer."""
        self._alive_until = self._clock() + BEAT_S + allow_s

    @property
    def alive(self) -> bool:
        """Whether the last beat is still valid: if not, a read is stuck."""
        return self._clock() < self._alive_until

    def online(self, note: str = "") -> None:
        """Frames are coming. `note`: what people should know of them."""
        self._set(state=SOURCE_STATE_ONLINE, error=SOURCE_ERROR_UNSPECIFIED, message=note)

    def waits(self, why: str) -> None:
        """The source is connected, and no frame of it can be taken yet, or for now."""
        self._set(message=why)

    def offline(self, fault: SourceFault) -> None:
        """The source is unavailable and is tried again: counts that attempt, too."""
        with self._lock:
            self._report = replace(
                self._report,
                state=SOURCE_STATE_FAILED if fault.permanent else SOURCE_STATE_OFFLINE,
                error=fault.error,
                message=fault.message,
                reconnects=self._report.reconnects + (0 if fault.permanent else 1),
            )

    def ended(self, how: str) -> None:
        """A file or a recording was read to its end, and all of it is in the log."""
        self._set(state=SOURCE_STATE_ENDED, error=SOURCE_ERROR_ENDED, message=how)

    def fenced(self) -> None:
        """A write was refused: another decoder has the camera."""
        self._set(fenced=True)

    def frame(self, capture_ms: int, sampled: int) -> None:
        """A frame was sampled; `sampled` in this epoch so far."""
        with self._lock:
            self._meter.add(self._clock())
            self._report = replace(self._report, last_frame_ms=capture_ms, sampled=sampled)

    def picture(self, status: PictureStatus) -> None:
        """Frames are now made of such a picture."""
        self._set(picture=b64encode(status.SerializeToString()).decode())

    def published(self, frames: int) -> None:
        """Frames reached the log."""
        with self._lock:
            self._report = replace(self._report, published=self._report.published + frames)

    def dropped(self, frames: int) -> None:
        """Frames got too old before they could reach the log."""
        with self._lock:
            self._report = replace(self._report, dropped=self._report.dropped + frames)

    def damaged(self, frames: int) -> None:
        """Wanted frames were left out, because something that they are made from was lost."""
        with self._lock:
            self._report = replace(self._report, damaged=self._report.damaged + frames)

    def missed(self, frames: int) -> None:
        """Frames were wanted while this process did not run."""
        with self._lock:
            self._report = replace(self._report, missed=self._report.missed + frames)

    def decode_error(self) -> None:
        """A packet or frame could not be decoded."""
        with self._lock:
            self._report = replace(self._report, decode_errors=self._report.decode_errors + 1)

    def report(self) -> Report:
        """Everything, now."""
        with self._lock:
            return replace(self._report, fps=round(self._meter.rate(self._clock()), 3))

    def _set(self, **changes: object) -> None:
        with self._lock:
            self._report = replace(self._report, **changes)  # type: ignore[arg-type]
