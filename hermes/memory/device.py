"""What threads, passes and copies need of a device beside its tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor


class Mark(Protocol):
    """A point in the device's queue of work."""

    def wait(self) -> None:
        """Wait until the device has come this far."""
        ...


class Recorder(Protocol):
    """Records work, so that running it again costs one launch."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Run `work`, and return what does the same again on the same tensors.

        What fails, raises: nothing is recorded then, and other work still can be.
        """
        ...


class Copier(Protocol):
    """Copies tensors from the device to the host while the device does other work."""

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Begin a copy. `source` must not change until `finish`."""
        ...

    def finish(self) -> None:
        """Wait until every copy that was begun is complete."""
        ...

    def drop(self) -> None:
        """Forget the copies that were begun, complete or not."""
        ...


class Device(Protocol):
    """One device. All methods are thread-safe unless they say otherwise."""

    slice_s: float
    """How long a slice of a pass should take, so that a question waits for few of them."""

    measures: bool
    """Whether `free_bytes` and `peak_of` tell about it."""

    def enter(self) -> None:
        """Make it the current device of the calling thread: what every thread does first."""
        ...

    def pinned(self, tensor: Tensor) -> Tensor:
        """The tensor where the device reads it without a copy by the host in between."""
        ...

    def mark(self) -> Mark:
        """A mark behind all work that was queued so far."""
        ...

    def recorder(self) -> Recorder:
        """A new recorder, for one thread at a time."""
        ...

    def copier(self) -> Copier:
        """A new copier, for one thread at a time."""
        ...

    def free_bytes(self) -> int:
        """Bytes that can be allocated now, once unused ones were given back."""
        ...

    def total_bytes(self) -> int:
        """Bytes that it has in all."""
        ...

    def peak_of(self, work: Callable[[], None]) -> int:
        """Run `work`. The most bytes that were allocated meanwhile, beyond those before it."""
        ...

    def free_unused(self) -> None:
        """Give back memory that is allocated and not used."""
        ...
