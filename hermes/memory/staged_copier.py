"""Copies from a device to the host through buffers from which it need not wait for the host."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from hermes.memory.device import Mark

MOST_STAGED = 64 << 20
"""Bytes of copies that are under way at once: two layers of a memory of the largest models."""


class Fetches(Protocol):
    """Fetches tensors from the device, beside its other work."""

    def buffer(self, size: int) -> Tensor:
        """[size] uint8 in host memory that the device writes to by itself."""
        ...

    def fetch(self, source: Tensor, into: Tensor) -> Mark:
        """Begin to copy. The mark is reached once all of it is there."""
        ...


@dataclass(slots=True)
class _Stage:
    """A copy under way. It holds `source`, so that nothing else gets its memory."""

    source: Tensor
    buffer: Tensor
    part: Tensor
    target: Tensor
    arrived: Mark


class StagedCopier:
    """A copy is under way while the device computes; a later call moves it to its target.

    A copy into ordinary host memory would make host and device wait for each other. Page-locked
    memory for whole snapshots would take long to get. So a few buffers are used again and again.
    """

    def __init__(self, fetches: Fetches, most_bytes: int = MOST_STAGED) -> None:
        """`most_bytes`: of copies under way at once; one is allowed in any case."""
        self._fetches = fetches
        self._most_bytes = most_bytes
        self._under_way: deque[_Stage] = deque()
        self._free: list[Tensor] = []

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Begin a copy. `source` must not change until `finish`."""
        self._make_room(source.nbytes)
        buffer = self._buffer(source.nbytes)
        part = buffer[: source.nbytes].view(source.dtype).view(source.shape)
        self._under_way.append(
            _Stage(source, buffer, part, target, self._fetches.fetch(source, part))
        )

    def finish(self) -> None:
        """Wait until every copy is in its target."""
        while self._under_way:
            self._end_oldest()

    def drop(self) -> None:
        """Forget the copies under way, and their buffers, which may still be written to."""
        self._under_way.clear()

    def _make_room(self, size: int) -> None:
        under_way = sum(stage.part.nbytes for stage in self._under_way)
        while self._under_way and under_way + size > self._most_bytes:
            under_way -= self._under_way[0].part.nbytes
            self._end_oldest()

    def _end_oldest(self) -> None:
        stage = self._under_way.popleft()
        stage.arrived.wait()
        stage.target.copy_(stage.part)
        self._free.append(stage.buffer)

    def _buffer(self, size: int) -> Tensor:
        """The smallest free one that is large enough; if there is none, another."""
        fitting = [at for at, buffer in enumerate(self._free) if len(buffer) >= size]
        if fitting:
            return self._free.pop(min(fitting, key=lambda at: len(self._free[at])))
        self._free.clear()  # too small, as memories have grown: the new one takes their place
        return self._fetches.buffer(size)
