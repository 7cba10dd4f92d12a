"""The pictures that are kept beside one memory: the JPEGs of frames of which it holds a token."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hermes.memory import HeldFrames
from services.hermes_worker.least_missed import least_missed

MAX_PICTURE_BYTES = 4_000_000
"""What a message of gRPC has room for by default, 4 MiB, less the rest of the message."""
SLACK = 32
"""When the bound is reached, a part in so many of it is freed at once."""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame that memory holds, in whole or in part. `bytes`: of its picture; 0 if none is kept.

    Times are in ms: since the Unix epoch, and from the start of its file.
    """

    number: int
    capture_ms: int
    media_ms: int | None
    bytes: int


class KeptPictures:
    """One camera's pictures, in host memory, within a bound of bytes. Thread-safe.

    A picture goes when memory no longer holds a token of its frame. When the bound
    is reached, those go that are least missed (`least_missed`): the pictures that
    stay cover the time line evenly, and of two that cover as much time, the one of
    which memory holds fewer tokens goes first. The newest never goes.
    """

    def __init__(self, limit_bytes: int, held: Callable[[], HeldFrames]) -> None:
        """`held`: the frames that memory holds now. `limit_bytes`: 0 keeps nothing."""
        self.limit_bytes = limit_bytes
        self._held = held
        self._seen = HeldFrames()
        self._jpegs: dict[int, bytes] = {}  # by capture time, as numbers come with the memory
        self._bytes = 0
        self._coming: deque[int] = deque()  # capture times of frames that are not in memory yet
        self._times: dict[int, int] = {}  # capture times of held frames, by number
        self._numbers: dict[int, int] = {}
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        with self._lock:
            self._follow()
            return self._bytes

    def take(self, capture_ms: int, jpeg: bytes) -> None:
        """Keep the picture of a frame that is on its way into memory. Frames come in order."""
        if not self._fits(jpeg):
            return
        with self._lock:
            self._follow()
            self._coming.append(capture_ms)
            self._put(capture_ms, jpeg)

    def restore(self, capture_ms: int, jpeg: bytes) -> None:
        """Keep a picture from the store, if memory holds its frame."""
        if not self._fits(jpeg):
            return
        with self._lock:
            self._follow()
            if capture_ms in self._numbers and capture_ms not in self._jpegs:
                self._put(capture_ms, jpeg)

    def get(self, number: int) -> bytes | None:
        """The JPEG of a frame as the decoder sent it; None if it is not kept."""
        with self._lock:
            self._follow()
            capture_ms = self._times.get(number)
            return None if capture_ms is None else self._jpegs.get(capture_ms)

    def frames(self) -> list[KeptFrame]:
        """Every frame that memory holds, oldest first."""
        with self._lock:
            self._follow()
            return [
                KeptFrame(
                    number,
                    stamp.capture_ms,
                    stamp.media_ms,
                    len(self._jpegs.get(stamp.capture_ms, b"")),
                )
                for number, stamp in self._seen
            ]

    def all(self) -> dict[int, bytes]:
        """Every picture of a frame that is in memory, by capture time."""
        with self._lock:
            self._follow()
            return {ms: jpeg for ms, jpeg in self._jpegs.items() if ms in self._numbers}

    # -- under the lock ------------------------------------------------------

    def _fits(self, jpeg: bytes) -> bool:
        return 0 < len(jpeg) <= min(self.limit_bytes, MAX_PICTURE_BYTES)

    def _put(self, capture_ms: int, jpeg: bytes) -> None:
        self._drop(capture_ms)
        self._jpegs[capture_ms] = jpeg
        self._bytes += len(jpeg)
        if self._bytes > self.limit_bytes:
            self._thin()

    def _drop(self, capture_ms: int) -> None:
        self._bytes -= len(self._jpegs.pop(capture_ms, b""))

    def _follow(self) -> None:
        """See which frames memory holds by now. Nothing is done if no frame came or went."""
        held, seen = self._held(), self._seen
        if held.grows is seen.grows and held.count == seen.count and held.last_ms == seen.last_ms:
            return
        newer = held.after(seen)
        if newer is None:  # a compression, or a restore
            self._times, self._numbers, newer = {}, {}, list(held)
        for number, stamp in newer:
            self._times[number] = stamp.capture_ms
            self._numbers[stamp.capture_ms] = number
        self._seen = held
        if held.grows is not seen.grows:
            self._forget_lost(held)
        while self._coming and held.last_ms is not None and self._coming[0] <= held.last_ms:
            capture_ms = self._coming.popleft()
            if capture_ms not in self._numbers:  # it failed, or was merged into the next one's
                self._drop(capture_ms)

    def _forget_lost(self, held: HeldFrames) -> None:
        last_ms = held.last_ms
        for capture_ms in list(self._jpegs):
            passed = last_ms is not None and capture_ms <= last_ms
            if passed and capture_ms not in self._numbers:
                self._drop(capture_ms)

    def _thin(self) -> None:
        times = sorted(self._jpegs)
        tokens = self._seen.tokens
        most = max(tokens.values(), default=1)
        # What came after the last compression is held whole.
        shares = [tokens.get(self._numbers.get(ms, -1), most) / most for ms in times]
        for at in least_missed(times, [1 + share for share in shares]):
            self._drop(times[at])
            if self._bytes <= self.limit_bytes - self.limit_bytes // SLACK:
                return
