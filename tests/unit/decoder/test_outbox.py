from __future__ import annotations

import threading

import pytest

from hermes.v1.frames_pb2 import Frame
from services.decoder import outbox as outbox_module
from services.decoder.chunker import Chunker, Origin
from services.decoder.outbox import FILE_BYTES, Outbox


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(live: bool, clock: Clock, dropped: list[int], chunk_frames: int = 2) -> Outbox:
    chunker = Chunker(Origin("lobby", 1, live=live), chunk_frames, 1.0)
    return Outbox(chunker, live=live, staleness_s=10.0, on_dropped=dropped.append, clock=clock)


def frame(ms: int, size: int = 10) -> Frame:
    return Frame(jpeg=b"x" * size, capture_time_ms=ms)


def test_chunks_come_out_in_order() -> None:
    box = make(True, Clock(), [])
    for ms in range(1, 6):
        box.add(frame(ms))
    box.close()
    taken = []
    while not box.finished:
        pending = box.take(0)
        assert pending is not None
        taken.append([f.capture_time_ms for f in pending.chunk.frames])
    assert taken == [[1, 2], [3, 4], [5]]
    assert box.take(0) is None


def test_an_open_chunk_comes_out_when_it_is_due() -> None:
    clock = Clock()
    box = make(True, clock, [])
    box.add(frame(1))
    assert box.take(0) is None
    clock.now = 1.0
    pending = box.take(0)
    assert pending is not None
    assert len(pending.chunk.frames) == 1


def test_live_drops_the_oldest_and_counts_them() -> None:
    clock, dropped = Clock(), list[int]()
    box = make(True, clock, dropped)
    for second in range(20):
        clock.now = float(second)
        box.add(frame(2 * second + 1))
        box.add(frame(2 * second + 2))
    assert sum(dropped) == 18  # seconds 0 to 8; 9 is just ten seconds old
    first = box.take(0)
    assert first is not None
    assert first.chunk.first_frame_index == 18
    clock.now = 19.0
    assert not box.is_stale(first)
    clock.now = 19.1
    assert box.is_stale(first)


def test_live_memory_is_bounded_whatever_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "LIVE_BYTES", 1000)
    dropped: list[int] = []
    box = make(True, Clock(), dropped, chunk_frames=1)
    for ms in range(1, 101):
        box.add(frame(ms, 100))
    kept = 0
    while box.take(0) is not None:
        kept += 1
    assert kept + sum(dropped) == 100
    assert 5 <= kept <= 10


def test_a_file_waits_for_room_and_drops_nothing() -> None:
    clock, dropped = Clock(), list[int]()
    box = make(False, clock, dropped, chunk_frames=1)
    while box.wait_for_room(0):
        box.add(frame(1, FILE_BYTES // 4))
    clock.now = 1e6
    woken: list[bool] = []
    waiter = threading.Thread(target=lambda: woken.append(box.wait_for_room(10)), daemon=True)
    waiter.start()
    pending = box.take(0)
    assert pending is not None
    assert not box.is_stale(pending)
    waiter.join(5)
    assert woken == [True]
    assert dropped == []
