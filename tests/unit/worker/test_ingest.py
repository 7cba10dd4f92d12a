"""From log to engine: order, back-pressure, staleness, gaps."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hermes.engine import SimilarityGate
from hermes.v1.camera_pb2 import GAP_REASON_NO_KEY_FRAME
from services.common.frame_log import Entry, LogId
from tests.support.chunks import chunk, jpeg
from tests.support.ingest_rig import FENCE, Rig


def test_frames_arrive_once_and_in_order(rig: Rig) -> None:
    for index in range(6):
        rig.log.append(chunk("a", 999_000 + index * 100, index=index), FENCE)
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000 + index * 100 for index in range(6)]
    rig.ingest.step(0.0)
    assert len(rig.times("a")) == 6


def test_chunks_stay_in_the_log_while_the_engine_is_full(rig: Rig) -> None:
    rig.engine.waiting = rig.engine.config.max_pending_frames
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == []
    rig.engine.waiting = 0
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000]


def test_a_chunk_that_waits_is_read_and_counted_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two large chunks of a file: the second waits until the first is in memory."""
    rig.engine.slow = True
    for index in range(2):
        large = chunk("a", 100 + index * 1000, frames=40, index=index * 40, step_ms=1, live=False)
        large.frames[0].jpeg = b"no picture"
        rig.log.append(large, FENCE)
    reads = 0
    read = rig.log.read

    def counting(after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        nonlocal reads
        reads += 1
        return read(after, count=count, block_s=block_s)

    monkeypatch.setattr(rig.log, "read", counting)
    for waiting in (39, 30, 26):
        rig.ingest.step(0.0)
        assert (len(rig.times("a")), rig.count("a", "decode_error")) == (39, 1)
        rig.engine.waiting = waiting
    assert reads == 1
    rig.engine.waiting = 24
    rig.ingest.step(0.0)
    assert (len(rig.times("a")), rig.count("a", "decode_error")) == (78, 2)


def test_a_slow_device_gets_the_newest_frames_of_a_live_camera(rig: Rig) -> None:
    """In the log, frames can still be dropped for their age; once they wait for the device, not."""
    rig.engine.slow = True
    for index in range(0, 80, 4):
        rig.log.append(chunk("a", 990_500 + index * 100, frames=4, index=index), FENCE)
    for _ in range(10):
        rig.ingest.step(0.0)
    assert 4 <= len(rig.times("a")) <= 12
    rig.log.append(chunk("a", 1_006_500, index=80), FENCE)  # time goes on
    rig.engine.waiting = 0
    for _ in range(10):
        rig.ingest.step(0.0)
    stale_before = 1_006_500 - 10_000
    (_, batch), *_ = [b for b in rig.engine.batches if b[1].frames and b[1].frames[0].after_gap]
    assert batch.frames[0].stamp.capture_ms >= stale_before
    assert rig.count("a", "dropped_stale") > 0


def test_stale_live_frames_are_dropped_and_counted(rig: Rig) -> None:
    rig.log.append(chunk("a", 980_000, frames=3), FENCE)
    rig.log.append(chunk("a", 999_000, index=3), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000]
    assert rig.count("a", "dropped_stale") == 3
    (_, stale), (_, fresh) = rig.engine.batches
    assert (len(stale.frames), stale.cursor) == (0, "980200-0@1:3!")
    assert not fresh.frames[0].replayed
    assert fresh.frames[0].after_gap  # dropped, and reported
    assert fresh.frames[0].stamp.gap == "dropped"


def test_a_files_frames_are_never_stale(rig: Rig) -> None:
    rig.log.append(chunk("a", 100, frames=2, live=False), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [100, 200]


def test_gaps_are_marked_and_trimmed_frames_counted(rig: Rig) -> None:
    rig.log.append(chunk("a", 999_000, frames=2), FENCE)
    rig.log.append(chunk("a", 999_500, index=9, dropped_before=3), FENCE)  # 7 missing, 3 dropped
    rig.log.append(chunk("a", 999_600, index=10), FENCE)
    cut = chunk("a", 999_700, index=0, epoch=2, discontinuity=True)
    cut.gap_reason = GAP_REASON_NO_KEY_FRAME
    rig.log.append(cut, FENCE)
    rig.log.append(chunk("a", 999_800, index=3, epoch=2, dropped_before=2), FENCE)
    rig.log.append(chunk("a", 999_900, index=4, epoch=2, discontinuity=True), FENCE)
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    frames = [frame for _, batch in rig.engine.batches for frame in batch.frames]
    assert [frame.after_gap for frame in frames] == [False, False, True, False, True, True, True]
    reasons = [frame.stamp.gap for frame in frames]
    # The last is of a decoder that says no reasons.
    assert reasons == ["", "", "trimmed", "", "no_key_frame", "dropped", ""]
    assert rig.count("a", "trimmed") == 4


def test_a_camera_that_shows_nothing_new_costs_the_device_nothing() -> None:
    """Colours drift by a level a frame; five make another picture, and so does a gap."""
    rig = Rig(lambda: SimilarityGate(5, longest_s=1000))
    rig.gain("a")
    rig.ingest.step(0.0)
    rig.log.append(chunk("a", 999_000, frames=12), FENCE)
    rig.log.append(chunk("a", 1_000_300, index=13), FENCE)  # one is missing before it
    rig.ingest.step(0.0)
    times = rig.times("a")
    assert (times[0], times[-1]) == (999_000, 1_000_300)
    assert len(times) in (3, 4)  # a JPEG may be off by a level
    assert rig.count("a", "unchanged") == 13 - len(times)
    assert rig.engine.batches[-1][1].frames[0].after_gap
    tenure = rig.tenure("a")
    assert tenure.position is not None
    assert tenure.position.offset == LogId(1_000_300)  # what was left out was seen
    indices = [13 if ms == 1_000_300 else (ms - 999_000) // 100 for ms in times]
    assert tenure.pictures.size == sum(len(jpeg(index)) for index in indices)


def test_the_age_of_frames_is_measured_by_the_decoders_clock(rig: Rig) -> None:
    """This machine's clock and the decoder's may be hours apart."""
    for index, first_ms in enumerate((5_000, 9_000_000_000_000)):
        rig.log.append(chunk("a", first_ms, index=index), FENCE)
        rig.ingest.step(0.0)
    assert rig.times("a") == [5_000, 9_000_000_000_000]
    assert rig.count("a", "dropped_stale") == 0
