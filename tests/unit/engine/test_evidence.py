"""The evidence of an answer: asked for with the question, or afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from hermes.engine import CameraHandle, Engine, EngineConfig
from hermes.engine.evidence import Evidence
from hermes.engine.hiding import SEGMENTS, Hiding
from hermes.errors import AnswerNotFound, CameraNotOwned, HermesError, InvalidInput, Overloaded
from hermes.memory import PackedPass
from hermes.question import Choices, Question, Regex, Span
from hermes.sampling import Sampling
from hermes.vlm import VideoMemory
from hermes.vlm.weighing import logprobs_without
from tests.support import tiny
from tests.unit.engine.test_engine import Observer, Sink, batch, wait, wait_for

QUESTION = "What now?"
FRAMES = 12


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> Iterator[Engine]:
    config = EngineConfig(
        budget_tokens=96, compress_every_frames=4, max_question_tokens=64, max_answer_tokens=64,
        max_questions=2, max_camera_questions=2,
    )  # fmt: skip
    made = Engine(tiny.model(), config, Observer(), clock=clock)
    made.start()
    yield made
    made.stop()


def fed(engine: Engine) -> CameraHandle:
    """A camera whose memory has taken in all frames."""
    camera = engine.open("a")
    for seed in range(FRAMES):
        wait_for(lambda: camera.room() > 0)
        camera.offer(batch(seed))
    wait_for(lambda: camera.report().cursor == f"{FRAMES - 1:06}")
    return camera


def by_hand(span: Span | None = None, frames: int = 3) -> tuple[float, int, int]:
    """Log-probability, readings and frames named, with the library alone."""
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=4)
    for seed in range(FRAMES):
        memory.feed(tiny.pictures(1, seed=seed), [1000 * seed])
    model, question = memory.model, tiny.model().question(QUESTION)
    ids: list[int] = []
    with memory.branch(len(question) + 6, span) as branch, torch.inference_mode():
        inputs = question
        for _ in range(6):
            row = branch.row(len(inputs))
            hidden = model.forward(inputs, PackedPass([row]))
            branch.commit(row)
            ids.append(int(model.logits(hidden[-1:]).argmax()))
            inputs = model.embed(ids[-1:])
        search = Hiding(branch.frames(), frames)
        while search.next:
            search.took(logprobs_without(model, branch, question, ids, search.next))
    found = search.found
    return found.logprob, found.readings, len(found.frames)


@pytest.mark.parametrize("span", [None, Span(6_000, 10_000)])
def test_it_comes_with_the_answer_and_holds_up_no_text(engine: Engine, span: Span | None) -> None:
    camera, sink = fed(engine), Sink()
    plain = Sink()
    camera.ask(Question(QUESTION, max_tokens=6, span=span), plain)
    wait(plain.ended)
    camera.ask(Question(QUESTION, max_tokens=6, span=span, evidence=3), sink)
    wait(sink.ended)
    assert sink.text == plain.text
    assert sink.result is not None
    assert plain.result is not None
    assert plain.result.evidence is None
    found = sink.result.evidence
    assert found is not None
    logprob, readings, named = by_hand(span)
    assert found.logprob == pytest.approx(logprob, abs=1e-3)
    assert (found.readings, len(found.frames)) == (readings, named)
    assert found.largest_fall >= 0
    for frame in found.frames:
        assert frame.stamp.capture_ms == 1000 * frame.number
    assert engine.open_questions == 0


def test_it_is_found_afterwards_for_a_minute(engine: Engine, clock: Clock) -> None:
    camera, sink = fed(engine), Sink()
    camera.ask(Question(QUESTION, max_tokens=6), sink)
    wait(sink.ended)
    assert sink.result is not None
    answer_id = sink.result.answer_id
    found = camera.evidence(answer_id, 3).result(20)
    assert isinstance(found, Evidence)
    assert found.logprob == pytest.approx(by_hand()[0], abs=1e-3)
    assert found.readings >= 1 + min(SEGMENTS, 6)
    clock.now += 59
    camera.evidence(answer_id, 1).result(20)
    clock.now += 2
    with pytest.raises(AnswerNotFound, match="are kept for 60 s"):
        camera.evidence(answer_id, 3).result(20)
    assert engine.open_questions == 0


def test_choices_are_weighed_as_the_likeliest_of_them(engine: Engine) -> None:
    camera, sink = fed(engine), Sink()
    form = Choices(("yes", "no", "a red circle"))
    camera.ask(Question(QUESTION, form=form, evidence=2), sink)
    wait(sink.ended)
    assert sink.result is not None
    assert sink.result.evidence is not None
    assert sink.result.evidence.logprob < 0
    likeliest = max(sink.result.choices, key=lambda choice: choice.probability)
    assert sink.text == likeliest.text


def test_what_a_form_forces_is_not_weighed(engine: Engine) -> None:
    """However unlikely it is, it does not depend on what was seen."""
    camera, forced, open_ = fed(engine), Sink(), Sink()
    camera.ask(Question(QUESTION, form=Regex("red blue red"), evidence=1), forced)
    sampling = Sampling(logprobs=True)
    camera.ask(Question(QUESTION, form=Regex("(red|blue) x"), sampling=sampling, evidence=1), open_)
    wait(forced.ended)
    wait(open_.ended)
    assert forced.result is not None
    assert forced.result.evidence is not None
    assert (forced.result.evidence.logprob, forced.result.evidence.frames) == (0.0, ())
    assert open_.result is not None
    assert open_.result.evidence is not None
    logprob = open_.result.evidence.logprob
    assert sum(token.logprob for token in open_.result.logprobs) < logprob < 0
    later = camera.evidence(open_.result.answer_id, 1).result(20)
    assert later.logprob == pytest.approx(logprob, abs=1e-3)


def test_an_answer_is_found_only_for_its_own_camera(engine: Engine) -> None:
    camera, other = fed(engine), engine.open("b")
    sink = Sink()
    camera.ask(Question(QUESTION, max_tokens=2), sink)
    wait(sink.ended)
    assert sink.result is not None
    for asked in (other, camera):
        name = sink.result.answer_id if asked is other else "f" * 32
        with pytest.raises(AnswerNotFound):
            asked.evidence(name, 3).result(20)
    again = engine.open("c")
    camera.close()
    with pytest.raises(AnswerNotFound):
        again.evidence(sink.result.answer_id, 3).result(20)
    with pytest.raises(CameraNotOwned):
        camera.evidence(sink.result.answer_id, 3)


@pytest.mark.parametrize("frames", [0, 17])
def test_how_many_frames_is_bounded(engine: Engine, frames: int) -> None:
    camera = engine.open("a")
    with pytest.raises(InvalidInput) as refused:
        camera.evidence("f" * 32, frames)
    assert refused.value.field == "evidence.frames"
    assert engine.open_questions == 0


def test_a_camera_that_is_closed_meanwhile_ends_the_search(engine: Engine) -> None:
    """The answer is complete, so it is delivered; a search for afterwards fails by name."""
    camera = fed(engine)
    text = threading.Event()
    sink, first = Sink(on_delta=text.set), Sink()
    camera.ask(Question(QUESTION, max_tokens=2), first)
    wait(first.ended)
    assert first.result is not None
    camera.ask(Question(QUESTION, max_tokens=40, evidence=3), sink)
    later = camera.evidence(first.result.answer_id, 3)
    wait(text)
    camera.close()
    wait(sink.ended)
    try:
        later.result(20)
    except HermesError as error:
        assert isinstance(error, CameraNotOwned)  # noqa: PT017 - it may have been found before
    assert sink.result is not None or isinstance(sink.error, CameraNotOwned)
    wait_for(lambda: engine.open_questions == 0)


def test_a_search_that_nobody_waits_for_is_dropped(engine: Engine) -> None:
    camera, sink = fed(engine), Sink()
    camera.ask(Question(QUESTION, max_tokens=2), sink)
    wait(sink.ended)
    assert sink.result is not None
    later = camera.evidence(sink.result.answer_id, 3)
    later.cancel()
    engine.nudge()
    wait_for(lambda: engine.open_questions == 0)
    cancelled = Sink()
    answer = camera.ask(Question(QUESTION, max_tokens=40, evidence=3), cancelled)
    answer.cancel()
    engine.nudge()
    wait_for(lambda: engine.open_questions == 0)
    assert camera.evidence(sink.result.answer_id, 1).result(20).readings


def test_searches_count_as_open_questions(engine: Engine) -> None:
    camera, sink = fed(engine), Sink()
    camera.ask(Question(QUESTION, max_tokens=2), sink)
    wait(sink.ended)
    assert sink.result is not None
    held = threading.Event()
    blocker = Sink(on_delta=lambda: wait(held))
    camera.ask(Question(QUESTION, max_tokens=2), blocker)
    later = camera.evidence(sink.result.answer_id, 3)
    assert engine.open_questions == 2
    with pytest.raises(Overloaded):
        camera.evidence(sink.result.answer_id, 3)
    held.set()
    assert later.result(20).readings
