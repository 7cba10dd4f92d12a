"""Standing questions beside others: they give way, and find the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from hermes.engine import Answer, Batch, EngineConfig, FrameInput
from hermes.engine.giving_way import GivingWay
from hermes.engine.remembered import MOST
from hermes.errors import InvalidInput
from hermes.memory import FrameStamp, Pass
from hermes.question import Choices, Question, Regex
from hermes.vlm import load
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, batch, cursor_of, wait_for


def test_a_pass_counts_its_own_time_alone() -> None:
    now = [0.0]
    asked: list[tuple[float, int]] = []

    def give_way(done: float, given: int) -> bool:
        asked.append((done, given))
        now[0] += 5.0 if given < 2 else 0.0
        return given < 2

    made = GivingWay(4, give_way, lambda: now[0])
    for _ in range(4):
        now[0] += 1.0
        made()
    assert made.seconds == 4.0
    assert asked == [(0.25, 0), (0.25, 1), (0.25, 2), (0.5, 2), (0.75, 2), (1.0, 2)]


def test_it_also_gives_way_before_and_after_its_layers() -> None:
    ticks: list[float] = []
    asked: list[float] = []

    def give_way(done: float, given: int) -> bool:
        asked.append(done)
        return False

    made = GivingWay(2, give_way, lambda: 0.0, lambda: ticks.append(1.0))
    made.aside()
    made()
    made()
    made.aside()
    assert asked == [0.0, 0.5, 1.0, 1.0]
    assert (len(ticks), made.slices) == (2, 2)


def test_standing_questions_find_the_same_whatever_else_is_asked() -> None:
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=4, max_pending_frames=16,
        max_questions=40, max_camera_questions=40, max_question_tokens=64, max_answer_tokens=40,
    )  # fmt: skip
    engine = NamedEngine(tiny.model(), config, Observer())
    engine.start()
    try:
        for camera in "ab":
            engine.open(camera)
            engine.offer(camera, batch(1))
        wait_for(lambda: all(cursor_of(engine, camera) == "000001" for camera in "ab"))
        alone = [found(standing(engine, camera)) for camera in "ab"]
        others, again = [], []
        for _ in range(6):
            again += [(camera, standing(engine, camera)) for camera in "ab"]
            for camera in "ab":
                others.append(Sink())
                engine.ask(camera, "What now?", others[-1], max_tokens=3)
        for camera, sink in again:
            assert found(sink) == pytest.approx(alone["ab".index(camera)], abs=1e-4)
        for other in others:
            assert other.ended.wait(20)
            assert other.error is None
    finally:
        engine.stop()


WATCHES = (
    Question("Is it day or night?", form=Choices(("day", "night"))),
    Question("Who is there?", form=Choices(("red", "a white circle", "no"))),
    Question("How many are there?", form=Regex("[0-9]{1,3}")),
    Question("What now?", max_tokens=5),
)


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[NamedEngine, list[int]]]:
    """An engine with a camera whose memory holds of its last frame only what changed, and the
    number of tokens of each pass from now on.
    """
    config = EngineConfig(
        budget_tokens=160, compress_every_frames=4, max_cameras=4, max_pending_frames=16,
        max_question_tokens=64, max_answer_tokens=40, ingest="changes",
    )  # fmt: skip
    model: Any = load(tiny.folder())
    passes: list[int] = []
    engine = NamedEngine(model, config, Observer())
    engine.start()
    first = batch(1).frames[0].picture
    second = first.clone()
    second[:, :9, :9] = 255 - second[:, :9, :9]
    engine.open("a")
    for at, picture in enumerate((first, second)):
        engine.offer("a", Batch([FrameInput(picture, FrameStamp(1000 * at))], f"{at}"))
    wait_for(lambda: cursor_of(engine, "a") == "1")
    forward = model.forward

    def counted(inputs: Tensor, packed: Pass) -> Tensor:
        passes.append(len(inputs))
        found: Tensor = forward(inputs, packed)
        return found

    model.forward = counted
    yield engine, passes
    engine.stop()


def test_watches_of_a_camera_are_read_together_and_find_the_same(
    watched: tuple[NamedEngine, list[int]],
) -> None:
    """Choices of several lengths, a number, and free text, which goes on alone."""
    engine, passes = watched
    handle = engine.handles["a"]
    alone, together = [], [Sink() for _ in WATCHES]
    passes.clear()
    for question in WATCHES:
        sink = Sink()
        handle.ask(question, sink, standing=True)
        assert sink.ended.wait(20)
        alone.append(sink)
    one_by_one = passes.copy()
    passes.clear()
    asked = handle.ask_standing(list(zip(WATCHES, together, strict=True)))
    assert all(isinstance(one, Answer) for one in asked)
    for sink, expected in zip(together, alone, strict=True):
        assert sink.ended.wait(20)
        assert sink.text == expected.text
        assert sink.result is not None
        assert expected.result is not None
        assert sink.result.coverage == expected.result.coverage
        assert sink.result.answer_tokens == expected.result.answer_tokens
        assert [choice.probability for choice in sink.result.choices] == pytest.approx(
            [choice.probability for choice in expected.result.choices], abs=1e-4
        )
    shown = engine.model.most_frame_tokens
    assert sum(passes) == sum(one_by_one) - (len(WATCHES) - 1) * shown


def test_a_watch_that_cannot_be_asked_keeps_no_other_from_it(
    watched: tuple[NamedEngine, list[int]],
) -> None:
    engine, _ = watched
    known, too_long = Sink(), Sink()
    unknown, long = (
        Choices(("\u200b\u2603", "yes")),
        Question("there " * 100, form=Choices(("yes", "no"))),
    )
    asked = engine.handles["a"].ask_standing(
        [(Question("What?", form=unknown), Sink()), (long, too_long), (WATCHES[0], known)]
    )
    assert isinstance(asked[0], InvalidInput)
    assert known.ended.wait(20)
    assert known.result is not None
    assert too_long.ended.wait(20)
    assert isinstance(too_long.error, InvalidInput)


def test_watches_push_no_answer_out_that_somebody_may_ask_the_evidence_of(
    watched: tuple[NamedEngine, list[int]],
) -> None:
    engine, _ = watched
    handle, sink = engine.handles["a"], Sink()
    handle.ask("What now?", sink)
    assert sink.ended.wait(20)
    assert sink.result is not None
    sinks = [Sink() for _ in range(MOST + 1)]
    handle.ask_standing([(WATCHES[0], one) for one in sinks])
    for one in sinks:
        assert one.ended.wait(20)
    assert handle.evidence(sink.result.answer_id, 1).result(20).readings > 0


def standing(engine: NamedEngine, camera: str) -> Sink:
    sink = Sink()
    question = Question("Is it day or night?", form=Choices(("day", "night")))
    engine.handles[camera].ask(question, sink, standing=True)
    return sink


def found(sink: Sink) -> list[float]:
    assert sink.ended.wait(20)
    assert sink.result is not None
    return [choice.probability for choice in sink.result.choices]
