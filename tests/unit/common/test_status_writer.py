"""The status writer: when it writes, what it counts, and what it survives."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import pytest
import redis

from services.common.camera_status import Fields
from services.common.heartbeats import Heartbeats
from services.common.leases import Fence, Lease, Leases
from services.common.metrics import Metrics
from services.common.status_writer import StatusWriter

LOBBY = Lease("lobby", "decoder", Fence("d-1", 7))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeLeases(Leases):
    """Records what is written, or fails."""

    def __init__(self) -> None:
        self.written: list[list[tuple[Lease, Mapping[str, str | int | float]]]] = []
        self.error: Exception | None = None
        self.fenced = 0
        self.tried = threading.Event()

    def put_status(self, statuses: Iterable[tuple[Lease, Mapping[str, str | int | float]]]) -> int:
        self.tried.set()
        if self.error is not None:
            raise self.error
        self.written.append(list(statuses))
        return self.fenced


class Source:
    """One camera whose state and numbers a test changes."""

    def __init__(self) -> None:
        self.state = "ONLINE"
        self.frames = 0

    def read(self) -> list[tuple[Lease, Fields]]:
        return [(LOBBY, {"state": self.state, "frames": self.frames})]

    def urgent(self) -> str:
        return self.state


def make(
    leases: FakeLeases, source: Source, clock: Clock, metrics: Metrics | None = None
) -> StatusWriter:
    return StatusWriter(
        source.read, leases, metrics or Metrics(), Heartbeats(), urgent=source.urgent, clock=clock
    )


def test_numbers_are_written_once_a_second() -> None:
    leases, source, clock = FakeLeases(), Source(), Clock()
    writer = make(leases, source, clock)
    writer.step()
    for _ in range(3):
        clock.now += 0.25
        source.frames += 1
        writer.step()
    assert leases.written == [[(LOBBY, {"state": "ONLINE", "frames": 0})]]
    clock.now += 0.25
    writer.step()
    assert leases.written[1:] == [[(LOBBY, {"state": "ONLINE", "frames": 3})]]


def test_an_urgent_change_is_written_at_once() -> None:
    leases, source, clock = FakeLeases(), Source(), Clock()
    writer = make(leases, source, clock)
    writer.step()
    source.state = "OFFLINE"
    writer.step()
    writer.step()
    assert [fields["state"] for ((_, fields),) in leases.written] == ["ONLINE", "OFFLINE"]


def test_a_change_that_could_not_be_written_is_written_later() -> None:
    leases, source, clock = FakeLeases(), Source(), Clock()
    writer = make(leases, source, clock)
    writer.step()
    source.state = "OFFLINE"
    leases.error = redis.ConnectionError("refused")
    with pytest.raises(redis.ConnectionError):
        writer.step()
    leases.error = None
    writer.step()
    assert [fields["state"] for ((_, fields),) in leases.written] == ["ONLINE", "OFFLINE"]


def test_fenced_writes_are_counted() -> None:
    leases, metrics = FakeLeases(), Metrics()
    leases.fenced = 2
    make(leases, Source(), Clock(), metrics).step()
    assert metrics.registry.get_sample_value("hermes_fenced_writes_total") == 2.0


@pytest.mark.parametrize("error", [redis.ConnectionError("refused"), ValueError("an odd status")])
def test_a_failure_neither_ends_the_thread_nor_leaves_it(error: Exception) -> None:
    leases = FakeLeases()
    leases.error = error
    writer = make(leases, Source(), Clock())
    writer.start()
    assert leases.tried.wait(30)
    leases.tried.clear()
    assert leases.tried.wait(30)  # it is tried again
    writer.stop()


def test_the_last_status_is_written_before_the_end() -> None:
    leases, source, clock = FakeLeases(), Source(), Clock()
    writer = make(leases, source, clock)
    writer.start()
    assert leases.tried.wait(30)
    source.frames = 5
    writer.stop()
    ((_, fields),) = leases.written[-1]
    assert fields["frames"] == 5
