"""The engine on a real (tiny) model: answers, refusals, and faults that do not spread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch

from hermes.engine import AnswerResult, Batch, EngineConfig, FrameInput, Snapshot
from hermes.errors import CameraNotOwned, HermesError, InvalidInput, Overloaded, Unavailable
from hermes.memory import FrameStamp, MemoryState
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine


class Observer:
    def __init__(self) -> None:
        self.frames: list[str] = []
        self.compressions: list[str] = []
        self.tokens: Counter[tuple[str, str]] = Counter()
        self.failed: list[str] = []
        self.retries = 0

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        self.frames.append(camera_id)

    def tokens_taken(self, camera_id: str, taken: int, unchanged: int) -> None:
        self.tokens[camera_id, "taken"] += taken
        self.tokens[camera_id, "unchanged"] += unchanged

    def compressed(self, camera_id: str, evicted_tokens: int) -> None:
        self.compressions.append(camera_id)

    def pass_retried(self) -> None:
        self.retries += 1

    def frame_failed(self, camera_id: str, error: Exception) -> None:
        self.failed.append(camera_id)


class Sink:
    def __init__(self, on_delta: Callable[[], None] = lambda: None) -> None:
        self.text = ""
        self.deltas = 0
        self.result: AnswerResult | None = None
        self.error: HermesError | None = None
        self.ended = threading.Event()
        self._on_delta = on_delta

    def delta(self, text: str) -> None:
        self.text += text
        self.deltas += 1
        self._on_delta()

    def done(self, result: AnswerResult) -> None:
        self.result = result
        self.ended.set()

    def failed(self, error: HermesError) -> None:
        self.error = error
        self.ended.set()


def batch(seed: int, count: int = 1, cursor: str = "") -> Batch:
    pictures = tiny.pictures(count, seed=seed)
    frames = [
        FrameInput(picture, FrameStamp(seed * 1000 + index))
        for index, picture in enumerate(pictures)
    ]
    return Batch(frames, cursor or f"{seed:06}")


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.002)


def wait(event: threading.Event) -> None:
    assert event.wait(20)


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def engine(observer: Observer) -> Iterator[NamedEngine]:
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=3, max_pending_frames=8,
        max_questions=3, max_question_tokens=64, max_answer_tokens=400,
    )  # fmt: skip
    made = NamedEngine(tiny.model(), config, observer)
    made.start()
    yield made
    made.stop()


def cursor_of(engine: NamedEngine, camera_id: str) -> str:
    return engine.report(camera_id).cursor


def test_an_answer_has_seen_the_frames_it_waited_for(engine: NamedEngine) -> None:
    engine.open("a")
    sink = Sink()
    engine.ask("a", "What now?", sink, max_tokens=4, ready=lambda cursor: cursor >= "000002")
    for seed in range(3):
        assert not sink.ended.is_set()
        engine.offer("a", batch(seed))
    assert sink.ended.wait(20)
    assert sink.result is not None
    assert sink.result.coverage.frames == 3
    assert sink.result.answer_tokens == 4
    assert sink.result.finish_reason == "length"
    assert len(sink.result.inter_token_s) == 3
    assert 0 < sink.result.warm_ttft_s <= sink.result.fresh_ttft_s


def test_the_engine_answers_as_the_library_does(engine: NamedEngine) -> None:
    """Batched with other cameras' answers, and with frames coming in: the same words."""
    expected: dict[str, list[str]] = {}
    for index, camera in enumerate("abc"):
        memory = tiny.memory(budget=160)
        tiny.feed(memory, torch.cat((tiny.pictures(3, seed=index + 50), tiny.pictures(4, seed=90))))
        ids, _ = tiny.answer(memory, "What now?", 10)
        stream = tiny.model().text_stream()
        expected[camera] = [text for text in map(stream.push, ids) if text]
        engine.open(camera)
        engine.offer(camera, batch(index + 50, count=3))
    sinks = {camera: Sink() for camera in "abc"}
    for camera, sink in sinks.items():
        engine.ask(
            camera, "What now?", sink, max_tokens=10, ready=lambda cursor: cursor >= "000090"
        )
        engine.offer(camera, batch(90, count=4))
    for camera, sink in sinks.items():
        assert sink.ended.wait(20)
        assert sink.text == "".join(expected[camera])


def test_a_memory_stays_within_its_budget(engine: NamedEngine, observer: Observer) -> None:
    engine.open("a")
    for seed in range(40):
        wait_for(lambda: engine.room("a") > 0)
        engine.offer("a", batch(seed))
    wait_for(lambda: cursor_of(engine, "a") == "000039")
    report = engine.report("a")
    assert report.tokens <= 160 + 4 * 16
    assert report.kv_bytes == report.tokens * tiny.model().shape.bytes_per_token
    assert report.coverage.frames_seen == 40
    assert observer.compressions


def test_a_full_queue_refuses(engine: NamedEngine) -> None:
    engine.open("a")
    blocked = threading.Event()
    engine.run(lambda: wait(blocked))  # the device is busy
    engine.offer("a", batch(0, count=8))
    assert engine.room("a") == 0
    with pytest.raises(Overloaded):
        engine.offer("a", batch(1))
    blocked.set()
    wait_for(lambda: engine.room("a") == 8)


def test_too_many_cameras_and_questions_are_refused(engine: NamedEngine) -> None:
    for camera in "abc":
        engine.open(camera)
    with pytest.raises(Overloaded, match="3 memories"):
        engine.open("d")
    engine.close("c")
    engine.open("d")
    sinks = [Sink() for _ in range(3)]
    waiting = [
        engine.ask("a", "What now?", sink, ready=lambda cursor: cursor == "never") for sink in sinks
    ]
    with pytest.raises(Overloaded, match="3 questions"):
        engine.ask("a", "What now?", Sink())
    waiting[0].cancel()
    engine.nudge()
    wait_for(lambda: engine.open_questions == 2)
    last = Sink()
    engine.ask("a", "What now?", last, max_tokens=1)
    assert last.ended.wait(20)
    assert last.error is None


def test_a_cancelled_answer_stops_at_once(engine: NamedEngine) -> None:
    engine.open("a")
    first = threading.Event()
    sink = Sink(on_delta=first.set)
    answer = engine.ask("a", "What now?", sink, max_tokens=400)
    assert first.wait(20)
    answer.cancel()
    wait_for(lambda: engine.open_questions == 0)
    assert sink.deltas < 400
    assert not sink.ended.is_set()


def test_bad_questions_are_refused_with_the_field_named(engine: NamedEngine) -> None:
    engine.open("a")
    with pytest.raises(InvalidInput, match="max_tokens"):
        engine.ask("a", "What now?", Sink(), max_tokens=401)
    for text, field in (("", "question.text"), ("what " * 100, "question.text")):
        sink = Sink()
        engine.ask("a", text, sink)
        assert sink.ended.wait(20)
        assert isinstance(sink.error, InvalidInput)
        assert sink.error.field == field
    assert engine.open_questions == 0


def test_one_cameras_bad_frame_touches_no_other(engine: NamedEngine, observer: Observer) -> None:
    engine.open("a")
    engine.open("b")
    bad = FrameInput(torch.zeros((1, 5, 5), dtype=torch.uint8), FrameStamp(1))
    engine.offer("a", Batch([bad], "000001"))
    engine.offer("b", batch(1))
    engine.offer("a", batch(2))
    wait_for(lambda: cursor_of(engine, "a") == "000002" and cursor_of(engine, "b") == "000001")
    assert observer.failed == ["a"]
    assert sorted(observer.frames) == ["a", "b"]
    report = engine.report("a")
    assert report.coverage.frames == 1


def test_closing_a_camera_ends_only_its_answers(engine: NamedEngine) -> None:
    engine.open("a")
    engine.open("b")
    started = threading.Event()
    one, two = Sink(on_delta=started.set), Sink()
    engine.ask("a", "What now?", one, max_tokens=400)
    engine.ask("b", "What now?", two, max_tokens=20)
    assert started.wait(20)
    engine.close("a")
    assert one.ended.wait(20)
    assert isinstance(one.error, CameraNotOwned)
    assert two.ended.wait(20)
    assert two.result is not None
    assert engine.room("a") == 0


def test_a_closed_handle_refuses(engine: NamedEngine) -> None:
    handle = engine.open("a")
    engine.offer("a", batch(1))
    wait_for(lambda: cursor_of(engine, "a") == "000001")
    handle.close()
    handle.close()
    assert handle.closed
    for refused in (
        lambda: handle.offer(batch(2)),
        lambda: handle.ask("What now?", Sink()),
        handle.inspect,
        handle.snapshot,
        lambda: handle.restore(Snapshot(MemoryState({}, {}), "")),
    ):
        with pytest.raises(CameraNotOwned):
            refused()
    assert handle.report().cursor == "000001"
    assert engine.open_questions == 0


def test_two_handles_of_one_id_share_nothing(engine: NamedEngine) -> None:
    first = engine.open("a")
    second = engine.open("a")
    first.offer(batch(1))
    wait_for(lambda: first.report().cursor == "000001")
    assert second.inspect().result(20).frames_seen == 0
    first.close()
    second.offer(batch(2))
    wait_for(lambda: second.report().cursor == "000002")
    assert second.report().coverage.frames_seen == 1


def test_the_device_shows_that_it_is_alive(observer: Observer) -> None:
    beats = threading.Semaphore(0)
    engine = NamedEngine(
        tiny.model(), EngineConfig(budget_tokens=160, compress_every_frames=4), observer
    )
    engine.start(beats.release)
    try:
        for _ in range(3):
            assert beats.acquire(timeout=20)  # also while nothing happens
    finally:
        engine.stop()


def test_stopping_fails_every_open_answer(observer: Observer) -> None:
    engine = NamedEngine(
        tiny.model(), EngineConfig(budget_tokens=160, compress_every_frames=4), observer
    )
    engine.start()
    engine.open("a")
    sink = Sink()
    engine.ask("a", "What now?", sink, ready=lambda cursor: cursor == "never")
    engine.stop()
    assert sink.ended.is_set()
    assert isinstance(sink.error, Unavailable)
    assert not engine.alive
    with pytest.raises(Unavailable):
        engine.ask("a", "What now?", Sink())


def test_settings_are_checked() -> None:
    with pytest.raises(InvalidInput, match=r"known: .*sliding-window"):
        EngineConfig(policy="hope")
    with pytest.raises(InvalidInput, match="budget_tokens"):
        EngineConfig(budget_tokens=0)


def test_an_impossible_budget_is_refused_at_once(observer: Observer) -> None:
    """Two recent frames of sixteen tokens, and a summary: more than 32."""
    with pytest.raises(InvalidInput, match="recent_frames"):
        NamedEngine(tiny.model(), EngineConfig(budget_tokens=32), observer)


def test_one_answers_fault_touches_no_other(engine: NamedEngine) -> None:
    engine.open("a")
    engine.open("b")
    broken, fine = Sink(on_delta=lambda: 1 / 0), Sink()  # type: ignore[arg-type]
    engine.ask("a", "What now?", broken, max_tokens=20)
    engine.ask("b", "What now?", fine, max_tokens=20)
    assert broken.ended.wait(20)
    assert type(broken.error) is HermesError
    assert fine.ended.wait(20)
    assert fine.result is not None
    assert engine.alive


class Full(NamedEngine):
    """A device without room for a memory, while `full` is set."""

    full = False

    def new_memory(self) -> VideoMemory:
        if self.full:
            raise torch.OutOfMemoryError("the device is full")
        return super().new_memory()


def test_a_memory_that_cannot_be_made_is_one_cameras_failure(observer: Observer) -> None:
    engine = Full(tiny.model(), EngineConfig(budget_tokens=160, compress_every_frames=4), observer)
    engine.full = True
    handle = engine.open("a")
    assert handle.failure is None  # not known yet
    engine.start()
    wait_for(lambda: handle.failure is not None)
    assert str(handle.failure) == "internal error (OutOfMemoryError)"
    handle.close()
    engine.full = False
    other = engine.open("a")
    other.offer(batch(1))
    wait_for(lambda: other.report().coverage.frames_seen == 1)
    assert other.failure is None
    engine.stop()
