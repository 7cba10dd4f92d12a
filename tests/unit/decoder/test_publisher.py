from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
import redis

from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.common.backoff import Backoff
from services.common.frame_log import BEGINNING, Fenced, LogId
from services.common.leases import Fence
from services.decoder.chunker import Chunker, Origin
from services.decoder.outbox import Outbox
from services.decoder.publisher import Publisher, Reading, shift_above
from services.decoder.retention import ENTRY_OVERHEAD, Retention
from services.decoder.telemetry import Telemetry
from tests.support.in_memory_frame_log import InMemoryFrameLog
from tests.support.waiting import eventually

FENCE = Fence("me", 5)


class FlakyLog(InMemoryFrameLog):
    """Fails so many times; with `half_done`, each other time after the append was done."""

    def __init__(self, failures: int, *, half_done: bool = True) -> None:
        super().__init__()
        self.failures = failures
        self.half_done = half_done

    def append(self, chunk: FrameChunk, fence: Fence, min_id: LogId | None = None) -> LogId:
        if self.failures:
            self.failures -= 1
            if self.half_done and self.failures % 2:
                super().append(chunk, fence, min_id)
            raise redis.ConnectionError("gone")
        return super().append(chunk, fence, min_id)


class Rig:
    def __init__(
        self,
        log: InMemoryFrameLog,
        *,
        live: bool = True,
        staleness_s: float = 60.0,
        limit: int = 1000,
        position: Callable[[], LogId | None] = lambda: None,
        last: LogId = BEGINNING,
    ) -> None:
        self.log = log
        log.set_fence("lobby", FENCE)
        self.telemetry = Telemetry()
        self.outbox = Outbox(
            Chunker(Origin("lobby", FENCE.epoch, live=live), 1, 60.0),
            live=live,
            staleness_s=staleness_s,
            on_dropped=self.telemetry.dropped,
        )
        self.retention = Retention(300, 1 << 20, whole=not live)
        self.publisher = Publisher(
            log,
            FENCE,
            self.outbox,
            self.retention,
            self.telemetry,
            lambda: Reading(position()),
            Backoff(0.001, 0.002, random.Random(1)),
            unread_max_bytes=None if live else limit,
            last=last,
        )

    def add(self, *times: int, size: int = 10) -> None:
        for ms in times:
            self.outbox.add(Frame(jpeg=b"x" * size, capture_time_ms=ms))

    def ids(self) -> list[int]:
        return [e.id.ms for e in self.log.read({"lobby": BEGINNING}, count=100, block_s=0)]


def test_failed_appends_are_repeated_and_nothing_is_doubled() -> None:
    rig = Rig(FlakyLog(7))
    rig.add(1, 2, 3)
    rig.outbox.close()
    rig.publisher.run()
    assert rig.ids() == [1, 2, 3]
    assert rig.telemetry.report().published == 3


def test_a_fenced_writer_stops() -> None:
    rig = Rig(InMemoryFrameLog())
    rig.log.set_fence("lobby", Fence("other", 6))
    rig.add(1)
    rig.outbox.close()
    with pytest.raises(Fenced):
        rig.publisher.run()


def test_what_waited_too_long_is_dropped() -> None:
    rig = Rig(FlakyLog(10**9, half_done=False), staleness_s=0.02)
    rig.add(1, 2, 3)
    rig.outbox.close()
    rig.publisher.run()
    assert rig.ids() == []
    assert rig.telemetry.report().dropped == 3


def test_a_chunk_tells_what_was_dropped_before_it() -> None:
    log = FlakyLog(0, half_done=False)
    rig = Rig(log, staleness_s=0.05)
    thread = threading.Thread(target=rig.publisher.run, daemon=True)
    thread.start()
    rig.add(1)
    eventually(lambda: rig.telemetry.report().published == 1, name="the first frame")
    log.failures = 10**9
    rig.add(2, 3)
    eventually(lambda: rig.telemetry.report().dropped == 2, name="two frames dropped")
    log.failures = 0
    rig.add(4)
    rig.outbox.close()
    thread.join(10)
    assert not thread.is_alive()
    entries = [e.chunk for e in rig.log.read({"lobby": BEGINNING}, count=100, block_s=0)]
    dropped = [(c.first_frame_index, c.dropped_before) for c in entries if c is not None]
    assert dropped == [(0, 0), (3, 2)]


def test_capture_times_go_above_a_log_that_reaches_further() -> None:
    log = InMemoryFrameLog()
    log.put_raw("lobby", LogId(5000), b"")
    rig = Rig(log)  # it does not know where the log ends
    rig.add(10, 20, 6000)
    rig.outbox.close()
    rig.publisher.run()
    assert rig.ids() == [5000, 5001, 5002, 6000]


def test_a_chunk_is_shifted_no_more_than_needed() -> None:
    chunk = FrameChunk(frames=[Frame(capture_time_ms=ms) for ms in (5, 7, 100)])
    shift_above(chunk, LogId(10))
    assert [f.capture_time_ms for f in chunk.frames] == [11, 12, 100]


def test_a_file_fills_up_to_its_limit_and_goes_on_as_it_is_read() -> None:
    limit = 2000
    unread: list[int] = []
    read: list[LogId | None] = [None]

    def position() -> LogId | None:
        # Asked again while nothing moves, so it waits: only then the reader goes on.
        unread.append(rig.retention.unread(read[0]))
        if unread[-2:-1] == unread[-1:]:
            read[0] = LogId(rig.ids()[-1])
        return read[0]

    rig = Rig(InMemoryFrameLog(), live=False, limit=limit, position=position)
    rig.add(*range(1, 41), size=100)
    rig.outbox.close()
    rig.publisher.run()
    assert rig.ids() == list(range(1, 41))
    assert limit * 0.8 < max(unread) <= limit + ENTRY_OVERHEAD
    assert rig.telemetry.report().dropped == 0


def test_a_waiting_file_can_be_stopped() -> None:
    rig = Rig(InMemoryFrameLog(), live=False, limit=200)
    rig.add(*range(1, 6), size=100)
    rig.outbox.close()
    thread = threading.Thread(target=rig.publisher.run, daemon=True)
    thread.start()
    rig.publisher.stop()
    thread.join(5)
    assert not thread.is_alive()
