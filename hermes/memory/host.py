"""The machine's own processor as a device."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from hermes.memory.device import Copier, Mark, Recorder


class _Reached:
    """A mark on a device that computes at once."""

    def wait(self) -> None:
        """It has come this far."""


class _Repeated:
    """Work is computed anew each time."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Run it once, so that faults show now."""
        work()
        return work


class PlainCopier:
    """Copies at once."""

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Copy."""
        target.copy_(source)

    def finish(self) -> None:
        """Nothing is under way."""

    def drop(self) -> None:
        """Nothing is under way."""


class Host:
    """The machine's own processor, or any device without a queue of its own."""

    slice_s = 0.010
    measures = False

    def enter(self) -> None:
        """Threads need no device."""

    def pinned(self, tensor: Tensor) -> Tensor:
        """The same."""
        return tensor

    def mark(self) -> Mark:
        """One that is reached."""
        return _Reached()

    def recorder(self) -> Recorder:
        """One that computes anew."""
        return _Repeated()

    def copier(self) -> Copier:
        """One that copies at once."""
        return PlainCopier()

    def free_bytes(self) -> int:
        """Not known here: `hermes.engine.capacity.host_memory` says it."""
        return 0

    def total_bytes(self) -> int:
        """Not known here."""
        return 0

    def peak_of(self, work: Callable[[], None]) -> int:
        """Run it; what it takes is not known."""
        work()
        return 0

    def free_unused(self) -> None:
        """Nothing is kept."""
