"""A look inside a memory that the device's thread owns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest

from hermes.engine import Batch, EngineConfig, FrameInput
from hermes.errors import CameraNotOwned, HermesError, Unavailable
from hermes.memory import FrameStamp, look_inside
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine

CONFIG = EngineConfig(budget_tokens=96, compress_every_frames=3, max_cameras=2)


class Nobody:
    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None: ...

    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None: ...

    def compressed(self, camera_id: str, evicted_tokens: int) -> None: ...

    def pass_retried(self) -> None: ...
    def frame_failed(self, camera_id: str, error: Exception) -> None: ...


@pytest.fixture
def engine() -> Iterator[NamedEngine]:
    made = NamedEngine(tiny.model(), CONFIG, Nobody())
    made.start()
    made.open("a")
    yield made
    made.stop()


def busy(engine: NamedEngine) -> Callable[[], None]:
    """Block the device's thread until the returned function is called."""
    begun, free = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert free.wait(20)

    engine.run(wait)
    assert begun.wait(20)
    return free.set


def test_what_the_engine_sees_is_what_the_library_sees(engine: NamedEngine) -> None:
    pictures = tiny.pictures(20)
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
    for number, picture in enumerate(pictures):
        stamp = FrameStamp(number * 500, number * 40)
        memory.take(picture, stamp)
        engine.offer("a", Batch([FrameInput(picture, stamp)], f"{number:06}"))
        while engine.inspect("a").result(20).frames_seen <= number:
            pass
    seen = engine.inspect("a").result(20)
    assert seen == look_inside(memory.cache)
    assert seen.media == {number: number * 40 for number in seen.times}


def test_an_open_memory_is_empty_at_first(engine: NamedEngine) -> None:
    contents = engine.inspect("a").result(20)
    assert (contents.frames_seen, contents.tokens, contents.times) == (0, 0, {})


def test_a_closed_camera_is_not_inspected(engine: NamedEngine) -> None:
    engine.close("a")
    with pytest.raises(CameraNotOwned):
        engine.inspect("a")


def test_a_cancelled_inspection_is_skipped(
    engine: NamedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.engine.camera.look_inside", lambda _: pytest.fail("it was taken"))
    free = busy(engine)
    look = engine.inspect("a")
    assert look.cancel()
    free()
    with pytest.raises(CancelledError):
        look.result(20)
    engine.open("b")  # the thread goes on
    engine.offer("b", Batch([], "000001"))
    while engine.report("b").cursor != "000001":
        pass


def test_a_failed_inspection_touches_nothing_else(
    engine: NamedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("hermes.engine.camera.look_inside", lambda _: 1 / 0)
        with pytest.raises(HermesError, match="ZeroDivisionError"):
            engine.inspect("a").result(20)
    assert engine.inspect("a").result(20).tokens == 0


def test_stopping_fails_waiting_inspections(engine: NamedEngine) -> None:
    free = busy(engine)
    look = engine.inspect("a")
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    while not engine.stopping:
        pass
    with pytest.raises(Unavailable, match="shutting down"):
        engine.inspect("a")
    free()
    with pytest.raises(Unavailable, match="shutting down"):
        look.result(20)
    stopping.join()


def test_a_failed_device_fails_waiting_inspections(
    engine: NamedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is not touched again after a failure, not even to inspect."""

    def broken(*_: object) -> None:
        raise RuntimeError("the device fell off the bus")

    monkeypatch.setattr("hermes.engine.camera.look_inside", lambda _: pytest.fail("it was touched"))
    free = busy(engine)
    monkeypatch.setattr("hermes.engine.scheduler.Scheduler.next", broken)
    engine.run(lambda: engine.run(lambda: pytest.fail("it was touched")))
    free()
    engine.join()
    with pytest.raises(Unavailable):
        engine.inspect("a")
