"""A memory is copied between the device's other work, and restored elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from hermes.engine import Batch, FrameInput, Snapshot
from hermes.engine.copying import Copy, Copying
from hermes.engine.session import Session
from hermes.errors import CameraNotOwned, SnapshotCorrupt, Unavailable
from hermes.memory import FrameStamp, MemoryState, look_inside
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_inspect import CONFIG, Nobody, busy


@pytest.fixture
def engine() -> Iterator[NamedEngine]:
    made = NamedEngine(tiny.model(), CONFIG, Nobody())
    made.start()
    made.open("a")
    yield made
    made.stop()


def offer(engine: NamedEngine, camera_id: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        picture = tiny.pictures(1, seed=number)[0]
        stamp = FrameStamp(1000 + number * 500)
        engine.offer(camera_id, Batch([FrameInput(picture, stamp)], f"{number:06}"))


def seen(engine: NamedEngine, camera_id: str, frames: int) -> None:
    while engine.inspect(camera_id).result(20).frames_seen < frames:
        pass


def session(frames: int = 5) -> Session:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
    memory.feed(tiny.pictures(frames))
    made = Session("a", 0, 64)
    made.open(memory)
    made.publish("000007", None)
    return made


def test_a_memory_restored_elsewhere_continues_unchanged(engine: NamedEngine) -> None:
    offer(engine, "a", 0, 10)
    seen(engine, "a", 10)
    snapshot = engine.snapshot("a").result(20)
    assert snapshot.cursor == "000009"
    engine.open("b")
    engine.restore("b", snapshot).result(20)
    report = engine.report("b")
    assert (report.cursor, report.coverage.frames_seen) == ("000009", 10)
    for camera_id in ("a", "b"):
        offer(engine, camera_id, 10, 7)
        seen(engine, camera_id, 17)
    one, other = (engine.inspect(camera_id).result(20) for camera_id in ("a", "b"))
    assert one == other


def test_last_copies_wait_for_no_frames(engine: NamedEngine) -> None:
    """What was offered and not taken in lies in the log, after the cursor of the copy."""
    offer(engine, "a", 0, 3)
    seen(engine, "a", 3)
    engine.wind_down()
    offer(engine, "a", 3, 20)
    assert engine.snapshot("a").result(20).cursor == "000002"
    assert engine.report("a").coverage.frames_seen == 3


def test_a_copy_takes_a_layer_a_step_and_delays_only_its_camera() -> None:
    one = session()
    before = one.memory.state()
    copying = Copying()
    copy = Copy(one)
    copying.want(copy)
    layers = tiny.model().shape.layers
    for _ in range(layers - 1):
        copying.step()
        assert copying.held is one
        assert not copy.snapshot.done()
    copying.step()
    assert copying.held is None
    assert not copying.busy
    snapshot = copy.snapshot.result(0)
    assert snapshot.cursor == "000007"
    assert snapshot.state.header == before.header
    assert all(torch.equal(t, before.tensors[n]) for n, t in snapshot.state.tensors.items())


def test_frames_wait_while_their_memory_is_copied(engine: NamedEngine) -> None:
    offer(engine, "a", 0, 3)
    seen(engine, "a", 3)
    free = busy(engine)
    wanted = engine.snapshot("a")
    offer(engine, "a", 3, 4)
    free()
    snapshot = wanted.result(20)
    assert (snapshot.cursor, snapshot.state.header["frames_seen"]) == ("000002", 3)
    seen(engine, "a", 7)


def test_a_copy_holds_whole_log_entries(engine: NamedEngine) -> None:
    """Frames that are replayed into a restored memory must not be in it already."""
    for number in range(40):
        frames = [
            FrameInput(tiny.pictures(1, seed=5 * number + n)[0], FrameStamp(100 * (5 * number + n)))
            for n in range(5)
        ]
        while engine.room("a") < 5:
            pass
        engine.offer("a", Batch(frames, f"{number:06}"))
        if number % 3 == 0:
            snapshot = engine.snapshot("a").result(20)
            entries = 1 + int(snapshot.cursor) if snapshot.cursor else 0
            assert snapshot.state.header["frames_seen"] == 5 * entries


def test_a_camera_that_is_missing_or_closed_meanwhile_fails_its_copy(engine: NamedEngine) -> None:
    free = busy(engine)
    copied = engine.snapshot("a")
    restored = engine.restore("a", Snapshot(MemoryState({}, {}), ""))
    engine.close("a")
    free()
    with pytest.raises(CameraNotOwned):
        copied.result(20)
    with pytest.raises(SnapshotCorrupt):  # the restore ran before the camera was closed
        restored.result(20)
    one = session()
    copying = Copying()
    under_way, waiting = Copy(one), Copy(one)
    copying.want(under_way)
    copying.want(waiting)
    copying.step()
    copying.fail(CameraNotOwned("a"), one)
    for copy in (under_way, waiting):
        with pytest.raises(CameraNotOwned):
            copy.snapshot.result(0)
    assert copying.held is None
    assert not copying.busy


def test_a_refused_restore_leaves_the_memory_unchanged(engine: NamedEngine) -> None:
    offer(engine, "a", 0, 4)
    seen(engine, "a", 4)
    before = engine.inspect("a").result(20)
    with pytest.raises(SnapshotCorrupt):
        engine.restore("a", Snapshot(MemoryState({}, {}), "000099")).result(20)
    assert engine.inspect("a").result(20) == before
    report = engine.report("a")
    assert report.cursor == "000003"


def test_a_copy_cancelled_before_its_turn_costs_nothing() -> None:
    copying = Copying()
    copy = Copy(session())
    copying.want(copy)
    copy.snapshot.cancel()
    copying.step()
    assert not copying.busy


def test_a_stopping_engine_fails_its_copies() -> None:
    engine = NamedEngine(tiny.model(), CONFIG, Nobody())
    engine.start()
    engine.open("a")
    free = busy(engine)
    copied = engine.snapshot("a")
    restored = engine.restore("a", Snapshot(MemoryState({}, {}), ""))
    engine.stop_soon()
    free()
    engine.stop()
    with pytest.raises(Unavailable):
        copied.result(20)
    with pytest.raises(Unavailable):
        restored.result(20)
    with pytest.raises(Unavailable):
        engine.snapshot("a")


def test_the_library_sees_a_restored_memory_as_the_engine_does() -> None:
    one = session(9)
    snapshot = one.memory.state()
    other = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
    other.restore(snapshot)
    assert look_inside(other.cache) == look_inside(one.memory.cache)
