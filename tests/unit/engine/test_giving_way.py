"""What happens in the middle of a pass over frames: questions go first, cameras come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hermes.engine import EngineConfig
from hermes.errors import CameraNotOwned, Unavailable
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, batch, cursor_of, wait_for


class Notebook(Observer):
    """Records frames that enter memory, in order with the other events."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def frame_in_memory(self, camera_id: str, lag_s: float | None) -> None:
        super().frame_in_memory(camera_id, lag_s)
        self.events.append(f"frame {camera_id}")


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def engine(notebook: Notebook) -> Iterator[NamedEngine]:
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=4, max_pending_frames=16,
        max_questions=20, max_question_tokens=64, max_answer_tokens=40, slice_s=10.0,
    )  # fmt: skip
    made = NamedEngine(tiny.model(), config, notebook)
    made.start()
    yield made
    made.stop()


def in_the_middle(engine: NamedEngine, of: int, do: Callable[[], None]) -> None:
    """Do something once, `of` slices into the next pass over frames."""
    pace, slices = engine._ingesting._pace, 0
    original = pace.tick

    def tick() -> None:
        nonlocal slices
        slices += 1
        if slices == of:
            do()
        original()

    pace.tick = tick  # type: ignore[method-assign]


@pytest.mark.parametrize("slice", [1, 3, 9])
def test_a_question_goes_before_the_rest_of_a_pass(
    engine: NamedEngine, notebook: Notebook, slice: int
) -> None:
    """In the tower (the first slices) and in the decoder."""
    engine.open("a")
    sink = Sink(on_delta=lambda: notebook.events.append("answer"))
    in_the_middle(engine, slice, lambda: void(engine.ask("a", "What now?", sink, max_tokens=3)))
    engine.offer("a", batch(1))
    assert sink.ended.wait(20)
    wait_for(lambda: "frame a" in notebook.events)
    assert notebook.events[0] == "answer"
    assert sink.result is not None
    assert sink.result.coverage.frames == 0  # it saw nothing of the frame under way


def test_answers_under_way_continue_during_a_pass(engine: NamedEngine, notebook: Notebook) -> None:
    """Eight tokens a pass, as the scheduler allows, and not one more."""
    engine.open("a")
    sink = Sink(on_delta=lambda: notebook.events.append("answer"))
    in_the_middle(engine, 1, lambda: void(engine.ask("a", "What now?", sink, max_tokens=30)))
    for seed in range(3):
        engine.offer("a", batch(seed))
    assert sink.ended.wait(20)
    wait_for(lambda: cursor_of(engine, "a") == "000002")
    before = notebook.events.index("frame a")
    assert 1 < before <= 2 * engine.config.questions_per_ingest


def test_a_camera_is_removed_in_the_middle_of_a_pass(
    engine: NamedEngine, notebook: Notebook
) -> None:
    engine.open("a")
    engine.open("b")
    sink = Sink()
    engine.ask("a", "What now?", sink, ready=lambda cursor: cursor == "never")
    in_the_middle(engine, 4, lambda: engine.close("a"))
    engine.offer("a", batch(1))
    engine.offer("b", batch(2))
    wait_for(lambda: cursor_of(engine, "b") == "000002")
    assert engine.room("a") == 0
    assert sink.ended.wait(20)
    assert isinstance(sink.error, CameraNotOwned)
    assert engine.alive


def test_a_camera_is_removed_and_added_again_in_the_middle_of_a_pass(engine: NamedEngine) -> None:
    def again() -> None:
        engine.close("a")
        engine.open("a")

    engine.open("a")
    in_the_middle(engine, 4, again)
    engine.offer("a", batch(1))
    wait_for(lambda: engine.room("a") == 16 and cursor_of(engine, "a") == "")
    engine.offer("a", batch(2))
    wait_for(lambda: cursor_of(engine, "a") == "000002")
    report = engine.report("a")
    assert report.coverage.frames_seen == 1  # nothing of the one before it
    assert engine.room("a") == 16


def test_the_engine_stops_in_the_middle_of_a_pass(engine: NamedEngine) -> None:
    engine.open("a")
    sink = Sink()
    engine.ask("a", "What now?", sink, ready=lambda cursor: cursor == "never")
    in_the_middle(engine, 5, engine.stop_soon)
    engine.offer("a", batch(1))
    engine.join()
    assert sink.ended.wait(20)
    assert isinstance(sink.error, Unavailable)
    assert engine.report("a").coverage.frames_seen == 0


def test_frames_of_many_cameras_go_into_one_pass(engine: NamedEngine, notebook: Notebook) -> None:
    """Once a first pass was measured to be short."""
    sizes: list[int] = []
    original = engine._ingesting.size.took

    def took(tokens: int, slices: int, seconds: float) -> None:
        sizes.append(tokens // engine.model.layout.tokens)
        original(tokens, slices, seconds)

    engine._ingesting.size.took = took  # type: ignore[method-assign]
    for camera in "abcd":
        engine.open(camera)
    for seed in range(6):
        for camera in "abcd":
            engine.offer(camera, batch(seed))
    wait_for(lambda: all(cursor_of(engine, camera) == "000005" for camera in "abcd"))
    assert sum(sizes) == 24
    assert sizes[0] == 1
    assert max(sizes) > 4
    assert sorted(notebook.frames) == sorted("abcd" * 6)


def test_one_cameras_questions_leave_room_for_others() -> None:
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_questions=6, max_camera_questions=2
    )
    engine = NamedEngine(tiny.model(), config, Observer())
    engine.start()
    try:
        for camera in "ab":
            engine.open(camera)
        for _ in range(2):
            engine.ask("a", "What now?", Sink(), ready=lambda cursor: cursor == "never")
        with pytest.raises(Exception, match="2 questions about camera 'a'"):
            engine.ask("a", "What now?", Sink())
        other = Sink()
        engine.ask("b", "What now?", other, max_tokens=1)
        assert other.ended.wait(20)
        assert other.error is None
    finally:
        engine.stop()


def void(_: object) -> None:
    """Call a function only for its effect."""
