"""A GPU, through `torch.cuda`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hermes.memory.device import Copier, Mark, Recorder
from hermes.memory.staged_copier import StagedCopier


class Cuda:
    """One GPU. Triton, streams, recordings and page-locked memory use the thread's current one."""

    slice_s = 0.004
    measures = True

    def __init__(self, device: torch.device) -> None:
        """`device`: without a number it is the one that is current now."""
        index = torch.cuda.current_device() if device.index is None else device.index
        self._device = torch.device("cuda", index)

    def enter(self) -> None:
        """Without it, a thread's streams, recordings and page-locked memory are GPU 0's."""
        torch.cuda.set_device(self._device)

    def pinned(self, tensor: Tensor) -> Tensor:
        """A page-locked copy, unless it is page-locked already."""
        return tensor.pin_memory()

    def mark(self) -> Mark:
        """An event on the current stream."""
        event = torch.cuda.Event()
        event.record()
        return _Event(event)

    def recorder(self) -> Recorder:
        """One for CUDA graphs, which share their memory."""
        return _Graphs()

    def copier(self) -> Copier:
        """One with a stream and page-locked buffers of its own."""
        return StagedCopier(_CopyStream())

    def free_bytes(self) -> int:
        """As the driver says it."""
        self.free_unused()
        return int(torch.cuda.mem_get_info(self._device)[0])

    def total_bytes(self) -> int:
        """As the driver says it."""
        return int(torch.cuda.mem_get_info(self._device)[1])

    def peak_of(self, work: Callable[[], None]) -> int:
        """As PyTorch's allocator counts it."""
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        work()
        return torch.cuda.max_memory_allocated(self._device) - before

    def free_unused(self) -> None:
        """What PyTorch's allocator keeps for later."""
        torch.cuda.empty_cache()


class _Event:
    def __init__(self, event: torch.cuda.Event) -> None:
        self._event = event

    def wait(self) -> None:
        self._event.synchronize()


class _Graphs:
    """CUDA graphs with one pool of memory, recorded on a stream of their own."""

    def __init__(self) -> None:
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record it once it has run twice: libraries plan and kernels compile in the first runs."""
        stream = self._stream = self._stream or torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Where recording fails, `graph` does not give the stream back: the outer context does.
        # Thread-local: other threads may use CUDA meanwhile, to pin pictures for example.
        with (
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(
                graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"
            ),
        ):
            work()
        if self._pool is None:
            self._pool = graph.pool()
        return graph.replay


class _CopyStream:
    """Copies on a stream of its own, beside what the device computes."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()

    def buffer(self, size: int) -> Tensor:
        """Page-locked bytes."""
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def fetch(self, source: Tensor, into: Tensor) -> Mark:
        """Copy behind the work that is queued now, and beside what is queued later."""
        self._stream.wait_stream(torch.cuda.current_stream())
        event = torch.cuda.Event()
        with torch.cuda.stream(self._stream):
            into.copy_(source, non_blocking=True)
            event.record()
        return _Event(event)
