"""Damage in a log, and a Redis that refuses: one camera is hurt at most."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import redis
from torch import Tensor

from hermes.v1.frames_pb2 import FrameChunk
from services.common.frame_log import Entry, LogId
from services.hermes_worker import ingest
from tests.support.chunks import chunk, jpeg
from tests.support.ingest_rig import FENCE, Rig


def test_damage_is_counted_and_skipped(rig: Rig) -> None:
    rig.log.put_raw("a", LogId(999_000), b"\xff\xff\xff not a chunk")
    damaged = chunk("a", 999_100, frames=2)
    damaged.frames[0].jpeg = b"no picture"
    rig.log.append(damaged, FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_200]
    assert rig.count("a", "decode_error") == 2
    assert rig.engine.cursors["a"] == "999200-0@1:2"
    (frame,) = [frame for _, batch in rig.engine.batches for frame in batch.frames]
    assert (frame.after_gap, frame.stamp.gap) == (True, "unreadable")


@pytest.mark.parametrize("field_name", ["capture_time_ms", "media_time_ms"])
@pytest.mark.parametrize("time_ms", [-5, 2**62])
def test_an_impossible_time_is_damage(rig: Rig, field_name: str, time_ms: int) -> None:
    damaged = chunk("a", 999_100, frames=2)
    setattr(damaged.frames[0], field_name, time_ms)
    rig.log.append(damaged, FENCE)
    rig.log.append(chunk("a", 999_900, index=2), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_900]
    assert rig.count("a", "decode_error") == 1


def test_a_decompression_bomb_affects_only_its_camera(rig: Rig) -> None:
    """A picture whose header claims a size that the library refuses."""
    rig.gain("b")
    bomb = bytearray(jpeg())
    size = bomb.index(b"\xff\xc0") + 5
    bomb[size : size + 4] = b"\xff\xff\xff\xff"
    damaged = chunk("a", 999_100)
    damaged.frames[0].jpeg = bytes(bomb)
    rig.log.append(damaged, FENCE)
    rig.log.append(chunk("b", 999_100), FENCE)
    rig.ingest.step(0.0)
    assert (rig.times("a"), rig.times("b")) == ([], [999_100])
    assert rig.count("a", "decode_error") == 1


def odd(**fields: int) -> FrameChunk:
    """A chunk of camera `a` that can be parsed and makes no sense."""
    made = chunk("a", 999_100, index=1)
    for name, value in fields.items():
        target = (
            made if name in ("epoch", "first_frame_index", "dropped_before") else made.frames[0]
        )
        setattr(target, name, value)
    return made


@pytest.mark.parametrize(
    "entry",
    [
        odd(first_frame_index=2**64 - 1),
        odd(first_frame_index=2**63),
        odd(epoch=2**64 - 1),
        odd(dropped_before=2**64 - 1),
        odd(capture_time_ms=2**63 - 1),
        odd(capture_time_ms=-1),
        odd(media_time_ms=2**63 - 1),
        odd(media_time_ms=-(2**63)),
    ],
    ids=str,
)
def test_an_odd_entry_is_skipped_and_touches_no_other_camera(rig: Rig, entry: FrameChunk) -> None:
    rig.gain("b")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.log.put_raw("a", LogId(999_100), entry.SerializeToString())
    rig.log.append(chunk("a", 999_200, index=2), FENCE)
    rig.log.append(chunk("b", 999_000), FENCE)
    for _ in range(3):
        rig.ingest.step(0.0)
    assert rig.times("a") == [999_000, 999_200]
    assert rig.times("b") == [999_000]
    assert rig.count("a", "decode_error") == 1
    marks = [f.after_gap for camera, b in rig.engine.batches if camera == "a" for f in b.frames]
    assert marks == [False, True]
    assert {rig.tenures.state(camera) for camera in "ab"} == {"serving"}


def test_an_entry_that_raises_is_skipped(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(jpeg: bytes) -> Tensor:
        raise MemoryError("a picture of a petabyte")

    rig.gain("b")
    rig.log.append(chunk("a", 999_000), FENCE)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "decode_jpeg", broken)
        rig.ingest.step(0.0)
        (_, skipped), *_ = rig.engine.batches  # a question that waits for this entry goes on
        assert (skipped.frames, skipped.cursor) == ([], "999000-0!")
    rig.log.append(chunk("a", 999_100, index=1), FENCE)
    rig.log.append(chunk("b", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert (rig.times("a"), rig.times("b")) == ([999_100], [999_000])
    assert rig.count("a", "decode_error") == 1


def test_a_key_that_is_no_stream_is_left_alone_while_other_logs_are_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis refuses a whole read for one key of another type."""
    read, last_id = rig.log.read, rig.log.last_id
    asked: list[str] = []

    def refusing(after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        if "a" in after:
            raise redis.ResponseError("WRONGTYPE")
        return read(after, count=count, block_s=block_s)

    def refusing_id(camera_id: str) -> LogId:
        asked.append(camera_id)
        if camera_id == "a":
            raise redis.ResponseError("WRONGTYPE")
        return last_id(camera_id)

    monkeypatch.setattr(rig.log, "read", refusing)
    monkeypatch.setattr(rig.log, "last_id", refusing_id)
    rig.gain("b")
    rig.log.append(chunk("b", 999_000), FENCE)
    for _ in range(3):
        rig.ingest.step(0.0)
    assert rig.times("b") == [999_000]
    assert rig.tenures.state("b") == "serving"
    rig.gain("c")
    rig.tenures.lost("a")
    rig.gain("a")
    for _ in range(5):
        rig.ingest.step(0.0)
    assert asked.count("a") == 1  # it rests
    assert rig.tenures.state("c") == "serving"


def test_an_unreachable_redis_is_no_cameras_fault(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        raise redis.ConnectionError("refused")

    with monkeypatch.context() as patch:
        patch.setattr(rig.log, "read", gone)
        with pytest.raises(redis.ConnectionError):
            rig.ingest.step(0.0)
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000]
