"""From log to engine: order, back-pressure, staleness, holes, damage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest
import redis
from torch import Tensor

from hermes.engine import Batch, Engine, EngineConfig, SessionReport, SimilarityGate
from hermes.errors import CameraNotOwned, Overloaded
from hermes.v1.camera_pb2 import Camera
from hermes.v1.frames_pb2 import FrameChunk
from services.common.frame_log import Entry, LogId
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.hermes_worker import ingest
from services.hermes_worker.ingest import Ingest
from services.hermes_worker.memories import Memories
from services.hermes_worker.pictures import decode_jpeg
from services.hermes_worker.place import Place
from tests.support.chunks import chunk, jpeg
from tests.support.in_memory_frame_log import InMemoryFrameLog

FENCE = Fence("decoder", 1)


@dataclass
class FakeEngine:
    """Takes what there is room for, and reaches every cursor at once."""

    config: EngineConfig = field(default_factory=EngineConfig)
    batches: list[tuple[str, Batch]] = field(default_factory=list)
    waiting: int = 0
    slow: bool = False
    """Frames stay where they are, and are counted as waiting."""
    opened: set[str] = field(default_factory=set)
    cursors: dict[str, str] = field(default_factory=dict)

    def open(self, camera_id: str) -> FakeHandle:
        self.opened.add(camera_id)
        return FakeHandle(self, camera_id)

    def offer(self, camera_id: str, batch: Batch) -> None:
        if self.waiting and self.waiting + len(batch.frames) > self.config.max_pending_frames:
            raise Overloaded("full")
        self.batches.append((camera_id, batch))
        if self.slow:
            self.waiting += len(batch.frames)
        else:
            self.cursors[camera_id] = batch.cursor

    def prepare(self, picture: Tensor) -> Tensor:
        return picture


@dataclass
class FakeHandle:
    """A camera of the fake engine. What it was offered stays with it."""

    engine: FakeEngine
    camera_id: str
    cursor: str = ""
    closed: bool = False
    lost_since: int | None = None

    def room(self) -> int:
        return self.engine.config.max_pending_frames - self.engine.waiting

    def offer(self, batch: Batch) -> None:
        if self.closed:
            raise CameraNotOwned(self.camera_id)
        self.engine.offer(self.camera_id, batch)
        if not self.engine.slow:
            self.cursor = batch.cursor

    def mark_lost(self, since_ms: int) -> None:
        self.lost_since = since_ms

    def report(self) -> SessionReport:
        return SessionReport(cursor=self.cursor)

    def close(self) -> None:
        self.closed = True
        self.engine.opened.discard(self.camera_id)


class Rig:
    """A worker's ingest with everything around it faked."""

    def __init__(self, new_gate: Callable[[], SimilarityGate] | None = None) -> None:
        self.log = InMemoryFrameLog()
        self.engine = FakeEngine()
        self.metrics = Metrics()
        self.memories = Memories(cast(Engine, self.engine), self.metrics)
        self.ingest = Ingest(
            self.log,
            cast(Engine, self.engine),
            self.memories,
            self.metrics,
            staleness_s=10.0,
            new_gate=new_gate,
        )

    def gain(self, camera_id: str) -> None:
        self.log.set_fence(camera_id, FENCE)
        lease = Lease(camera_id, "worker", Fence("me", 7))
        self.memories.gained(Camera(id=camera_id), lease)

    def count(self, camera_id: str, outcome: str) -> float:
        labels = {"camera": camera_id, "outcome": outcome}
        return self.metrics.registry.get_sample_value("hermes_frames_total", labels) or 0.0

    def times(self, camera_id: str) -> list[int]:
        return [
            frame.stamp.capture_ms
            for camera, batch in self.engine.batches
            if camera == camera_id
            for frame in batch.frames
        ]


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.gain("a")
    made.ingest.step(0.0)
    return made


def test_frames_arrive_once_and_in_order(rig: Rig) -> None:
    for index in range(6):
        rig.log.append(chunk("a", 999_000 + index * 100, index=index), FENCE)
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000 + index * 100 for index in range(6)]
    rig.ingest.step(0.0)
    assert len(rig.times("a")) == 6


def test_what_there_is_no_room_for_stays_in_the_log(rig: Rig) -> None:
    rig.engine.waiting = rig.engine.config.max_pending_frames
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == []
    rig.engine.waiting = 0
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_000]


def test_what_has_to_wait_is_neither_read_nor_counted_twice(
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


def test_a_slow_device_gets_a_live_cameras_newest_frames(rig: Rig) -> None:
    """What waits in the log can still be dropped for its age; what waits for the device cannot."""
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
    assert fresh.frames[0].after_gap  # dropped, and told


def test_a_files_frames_are_never_stale(rig: Rig) -> None:
    rig.log.append(chunk("a", 100, frames=2, live=False), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [100, 200]


def test_what_lay_in_the_log_at_takeover_is_replayed_whatever_its_age() -> None:
    rig = Rig()
    rig.log.set_fence("a", FENCE)
    rig.log.append(chunk("a", 100, frames=2), FENCE)
    rig.gain("a")
    rig.ingest.step(0.0)
    tracked = rig.memories.get("a")
    assert tracked is not None
    assert tracked.target == LogId(200)
    assert rig.memories.state("a") == "replaying"
    assert rig.times("a") == [100, 200]
    assert all(frame.replayed for _, batch in rig.engine.batches for frame in batch.frames)
    rig.ingest.step(0.0)
    assert rig.memories.state("a") == "serving"
    assert rig.metrics.registry.get_sample_value("hermes_replayed_frames_total") == 2


def test_an_empty_log_serves_at_once(rig: Rig) -> None:
    assert rig.memories.state("a") == "serving"


def test_holes_are_marked_and_trimmed_frames_counted(rig: Rig) -> None:
    rig.log.append(chunk("a", 999_000, frames=2), FENCE)
    rig.log.append(chunk("a", 999_500, index=9, dropped_before=3), FENCE)  # 7 missing, 3 dropped
    rig.log.append(chunk("a", 999_600, index=10), FENCE)
    rig.log.append(chunk("a", 999_700, index=0, epoch=2, discontinuity=True), FENCE)
    rig.ingest.step(0.0)
    marks = [frame.after_gap for _, batch in rig.engine.batches for frame in batch.frames]
    assert marks == [False, False, True, False, True]
    assert rig.count("a", "trimmed") == 4


def test_a_camera_that_shows_nothing_new_costs_the_device_nothing() -> None:
    """Colours drift by a level a frame; five make another picture, and so does a hole."""
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
    tracked = rig.memories.get("a")
    assert tracked is not None
    assert tracked.offset == LogId(1_000_300)  # what was left out was seen


def test_damage_is_counted_and_skipped(rig: Rig) -> None:
    rig.log.put_raw("a", LogId(999_000), b"\xff\xff\xff not a chunk")
    damaged = chunk("a", 999_100, frames=2)
    damaged.frames[0].jpeg = b"no picture"
    rig.log.append(damaged, FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_200]
    assert rig.count("a", "decode_error") == 2
    assert rig.engine.cursors["a"] == "999200-0@1:2"
    assert [b.frames[0].after_gap for _, b in rig.engine.batches if b.frames] == [True]


@pytest.mark.parametrize("field_name", ["capture_time_ms", "media_time_ms"])
@pytest.mark.parametrize("time_ms", [-5, 2**62])
def test_a_time_that_is_none_is_damage(rig: Rig, field_name: str, time_ms: int) -> None:
    damaged = chunk("a", 999_100, frames=2)
    setattr(damaged.frames[0], field_name, time_ms)
    rig.log.append(damaged, FENCE)
    rig.log.append(chunk("a", 999_900, index=2), FENCE)
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_900]
    assert rig.count("a", "decode_error") == 1


def test_one_cameras_bomb_holds_up_no_other(rig: Rig) -> None:
    """A picture that claims to be too large for its library to look at."""
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


def test_a_lost_camera_is_read_no_more(rig: Rig) -> None:
    rig.memories.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    assert rig.engine.batches == []
    assert rig.engine.opened == set()
    assert rig.memories.state("a") == "replaying"


def test_frames_of_a_camera_added_anew_are_its_own(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is lost and gained again while one of its former frames is being decoded."""

    def slowly(data: bytes) -> Tensor:
        rig.memories.lost("a")
        rig.gain("a")
        return decode_jpeg(data)

    rig.log.append(chunk("a", 999_000), FENCE)
    monkeypatch.setattr(ingest, "decode_jpeg", slowly)
    rig.ingest.step(0.0)
    assert rig.times("a") == []


def test_a_former_memorys_progress_is_not_the_new_ones(rig: Rig) -> None:
    """The engine shows a memory until its thread comes round to closing it."""
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    rig.memories.lost("a")
    rig.gain("a")
    rig.engine.slow = True
    tracked = rig.memories.get("a")
    assert tracked is not None
    tracked.target = LogId(999_000)
    rig.memories.progress(tracked)
    assert rig.memories.state("a") == "replaying"


def test_a_log_that_is_gone_is_not_waited_for(rig: Rig) -> None:
    """Redis loses its data in mid-replay, and the camera sends nothing more."""
    rig.log.set_fence("b", FENCE)
    rig.log.append(chunk("b", 999_000), FENCE)
    rig.engine.waiting = rig.engine.config.max_pending_frames
    rig.gain("b")
    rig.ingest.step(0.0)
    assert rig.memories.state("b") == "replaying"
    rig.log.clear()
    rig.memories.gained(Camera(id="b"), Lease("b", "worker", Fence("me", 9)))
    rig.ingest.step(0.0)
    assert rig.memories.state("b") == "serving"


def test_a_retaken_lease_keeps_the_memory(rig: Rig) -> None:
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.ingest.step(0.0)
    rig.memories.gained(Camera(id="a"), Lease("a", "worker", Fence("me", 9)))
    tracked = rig.memories.get("a")
    assert tracked is not None
    assert tracked.lease is not None
    assert (tracked.lease.epoch, tracked.offset) == (9, LogId(999_000))
    rig.ingest.step(0.0)
    assert len(rig.engine.batches) == 1


def restored(rig: Rig, place: Place) -> None:
    """As after a takeover from a checkpoint."""
    tracked = rig.memories.get("a")
    assert tracked is not None
    tracked.restoring = True
    rig.ingest.step(0.0)
    assert rig.engine.batches == []  # nothing is read before it is known from where
    rig.memories.restored(tracked, place)


def test_a_restored_memory_goes_on_behind_its_place(rig: Rig) -> None:
    for number in range(4):
        rig.log.append(chunk("a", 999_000 + 100 * number, index=number), FENCE)
    restored(rig, Place(LogId(999_100), FENCE.epoch, 2))
    rig.ingest.step(0.0)
    assert rig.times("a") == [999_200, 999_300]
    assert not any(f.after_gap for _, b in rig.engine.batches for f in b.frames)


@pytest.mark.parametrize(
    ("place", "index"),
    [
        (Place(LogId(990_000), FENCE.epoch, 2), 7),  # trimmed in between
        (Place(LogId(990_000), FENCE.epoch + 1, 9), 7),  # another decoder, its beginning trimmed
        (Place(LogId(990_000), FENCE.epoch, 7, hole=True), 7),  # noted, and no frame came since
    ],
    ids=["trimmed", "another decoder", "noted"],
)
def test_what_cannot_be_replayed_is_a_gap(rig: Rig, place: Place, index: int) -> None:
    rig.log.append(chunk("a", 999_000, index=index), FENCE)
    rig.log.append(chunk("a", 999_100, index=index + 1), FENCE)
    restored(rig, place)
    rig.ingest.step(0.0)
    assert [f.after_gap for _, b in rig.engine.batches for f in b.frames] == [True, False]


def test_a_camera_that_is_made_ready_is_serving_once_it_is_caught_up(rig: Rig) -> None:
    rig.memories.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.memories.prepare(Camera(id="a"))
    assert not rig.memories.prepared("a")
    rig.ingest.step(0.0)
    rig.ingest.step(0.0)
    assert rig.memories.prepared("a")
    tracked = rig.memories.get("a")
    assert tracked is not None
    assert tracked.lease is None
    rig.memories.gained(Camera(id="a"), Lease("a", "worker", Fence("me", 9)))
    assert rig.memories.get("a") is tracked


def test_what_came_while_it_was_handed_over_is_seen_before_it_serves(rig: Rig) -> None:
    rig.memories.lost("a")
    rig.log.append(chunk("a", 999_000), FENCE)
    rig.memories.prepare(Camera(id="a"))
    for _ in range(2):
        rig.ingest.step(0.0)
    assert rig.memories.prepared("a")
    rig.log.append(chunk("a", 999_500, index=1), FENCE)
    rig.memories.gained(Camera(id="a"), Lease("a", "worker", Fence("me", 9)))
    assert rig.memories.state("a") == "replaying"
    for _ in range(2):
        rig.ingest.step(0.0)
    assert rig.memories.state("a") == "serving"
    assert rig.times("a")[-1] == 999_500


def test_a_camera_is_left_when_its_answers_have_ended(rig: Rig) -> None:
    tracked = rig.memories.get("a")
    assert tracked is not None
    tracked.answers = 1
    assert not rig.memories.leave("a")
    rig.memories.stay("a")
    assert tracked.leaving_at is None
    tracked.answers = 0
    assert rig.memories.leave("a")
    assert rig.memories.leave("nobody")


def test_frames_are_old_by_their_own_clock(rig: Rig) -> None:
    """Whatever this machine's clock says: the decoder's may be hours away."""
    for index, first_ms in enumerate((5_000, 9_000_000_000_000)):
        rig.log.append(chunk("a", first_ms, index=index), FENCE)
        rig.ingest.step(0.0)
    assert rig.times("a") == [5_000, 9_000_000_000_000]
    assert rig.count("a", "dropped_stale") == 0


def odd(**fields: int) -> FrameChunk:
    """A chunk of camera `a` that parses and makes no sense."""
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
    assert {rig.memories.state(camera) for camera in "ab"} == {"serving"}


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


def test_a_log_that_is_none_rests_while_the_others_are_read(
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
    assert rig.memories.state("b") == "serving"
    rig.gain("c")
    rig.memories.lost("a")
    rig.gain("a")
    for _ in range(5):
        rig.ingest.step(0.0)
    assert asked.count("a") == 1  # it rests
    assert rig.memories.state("c") == "serving"


def test_a_redis_out_of_reach_is_no_cameras_fault(
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
