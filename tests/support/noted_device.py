"""A device that computes as the host does, and notes what is asked of it and by which thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hermes.memory.device import Copier, Mark, Recorder
from hermes.memory.host import Host
from hermes.memory.staged_copier import StagedCopier

GIB = 1 << 30


class NotedMark:
    """Counts how often it is waited for."""

    def __init__(self) -> None:
        self.waits = 0

    def wait(self) -> None:
        self.waits += 1


class NotedFetches:
    """Fetches when it is told to: until then the buffer holds what was there before."""

    def __init__(self) -> None:
        self.buffers: list[int] = []
        self.marks: list[LateMark] = []

    def buffer(self, size: int) -> Tensor:
        self.buffers.append(size)
        return torch.full((size,), 0xEE, dtype=torch.uint8)

    def fetch(self, source: Tensor, into: Tensor) -> Mark:
        self.marks.append(LateMark(source, into))
        return self.marks[-1]


class LateMark(NotedMark):
    """Copies when it is waited for, as late as a device may."""

    def __init__(self, source: Tensor, into: Tensor) -> None:
        super().__init__()
        self._source, self._into = source, into

    def wait(self) -> None:
        super().wait()
        self._into.copy_(self._source)


class NotedRecorder:
    """Records as the host does. `broken`: which recordings fail half-way, from 0, and how."""

    def __init__(self, broken: dict[int, Exception] | None = None) -> None:
        self.recorded = 0
        self.launches = 0
        self._broken = broken or {}

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        number, self.recorded = self.recorded, self.recorded + 1
        work()
        if number in self._broken:
            raise self._broken[number]

        def again() -> None:
            self.launches += 1
            work()

        return again


class NotedDevice(Host):
    """`calls`: how often each method was called. `strays`: calls from threads that did not
    `enter` first. `peaks`: what `peak_of` says, in turn; the last one again and again.
    """

    def __init__(
        self,
        *,
        measures: bool = False,
        free: int = 64 * GIB,
        total: int = 80 * GIB,
        peaks: Sequence[int] = (GIB,),
        recorder: NotedRecorder | None = None,
    ) -> None:
        self.measures = measures
        self.calls: Counter[str] = Counter()
        self.threads: dict[str, set[str]] = {}
        self.strays: list[tuple[str, str]] = []
        self.fetches = NotedFetches()
        self.noted_recorder = recorder or NotedRecorder()
        self.marks: list[NotedMark] = []
        self.free: Callable[[], int] = lambda: free
        self._total = total
        self._peaks = list(peaks)
        self._entered = threading.local()

    def _note(self, name: str) -> None:
        thread = threading.current_thread().name
        self.calls[name] += 1
        self.threads.setdefault(name, set()).add(thread)
        if not getattr(self._entered, "yes", False):
            self.strays.append((name, thread))

    def enter(self) -> None:
        self._entered.yes = True

    def pinned(self, tensor: Tensor) -> Tensor:
        self._note("pinned")
        return tensor

    def mark(self) -> Mark:
        self._note("mark")
        self.marks.append(NotedMark())
        return self.marks[-1]

    def recorder(self) -> Recorder:
        self._note("recorder")
        return self.noted_recorder

    def copier(self) -> Copier:
        self._note("copier")
        return StagedCopier(self.fetches)

    def free_bytes(self) -> int:
        self._note("free_bytes")
        return self.free()

    def total_bytes(self) -> int:
        return self._total

    def peak_of(self, work: Callable[[], None]) -> int:
        self._note("peak_of")
        work()
        return self._peaks.pop(0) if len(self._peaks) > 1 else self._peaks[0]

    def free_unused(self) -> None:
        self._note("free_unused")
