"""What is known of one tenure's checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.common.backoff import Backoff

RETRY_S = 5.0
RETRY_MOST_S = 120.0


@dataclass(frozen=True, slots=True)
class Durable:
    """The newest checkpoint. `id`: the last log entry in it. `frames`: how many had been seen."""

    id: str
    frames: int


@dataclass(slots=True)
class CheckpointRecord:
    """The checkpoint thread alone changes it, once the camera's memory is restored.

    `durable`: None if no checkpoints are taken. `at`: when the last one was
    begun, None before the first look. `cursor`, `epoch`: the memory's cursor
    and the lease's epoch then. `untidy`: the store may hold files that count
    for nothing.
    """

    durable: Durable | None = None
    at: float | None = None
    cursor: str = ""
    epoch: int = 0
    retry_at: float = 0.0
    untidy: bool = True
    backoff: Backoff = field(default_factory=lambda: Backoff(RETRY_S, RETRY_MOST_S))

    @property
    def durable_id(self) -> str | None:
        """The last log entry that a checkpoint holds; None if no checkpoints are taken."""
        return None if self.durable is None else self.durable.id
