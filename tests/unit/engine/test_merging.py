"""One answer made of several cameras' answers, among questions to cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hermes.engine import AnswerResult, CameraHandle, Engine, EngineConfig
from hermes.errors import InvalidInput, NothingToMerge, Overloaded, Unsupported
from hermes.memory import Coverage
from hermes.merged_question import CameraAnswer
from hermes.question import Question, Turn
from hermes.sampling import Sampling
from hermes.vlm import VideoMemory
from hermes.vlm.text_only import TextOnly
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_choices import CONFIG, Sink
from tests.unit.engine.test_decoding import Observer

ANSWERS = [CameraAnswer("dock", "a red car", "Dock"), CameraAnswer("lobby", "nobody")]


@pytest.fixture
def engine() -> Iterator[NamedEngine]:
    made = NamedEngine(tiny.model(), CONFIG, Observer())
    yield made
    made.stop()


class Noting(Sink):
    """Notes each of its tokens among the events of others."""

    def __init__(self, name: str, events: list[str]) -> None:
        super().__init__()
        self._name, self._events = name, events

    def delta(self, text: str) -> None:
        super().delta(text)
        self._events.append(self._name)


def merged(engine: Engine, question: Question, answers: list[CameraAnswer] = ANSWERS) -> Sink:
    sink = Sink()
    engine.merge(question, answers, sink)
    return sink


def result_of(sink: Sink) -> tuple[str, AnswerResult]:
    assert sink.ended.wait(20)
    assert sink.result is not None, sink.error
    return "".join(sink.deltas), sink.result


def ask(handle: CameraHandle, questions: list[Question]) -> list[Sink]:
    sinks = [Sink() for _ in questions]
    for question, sink in zip(questions, sinks, strict=True):
        handle.ask(question, sink)
    return sinks


def expected(text: str, tokens: int) -> str:
    model: Any = TextOnly.of(tiny.model())
    memory = VideoMemory(model, "sliding-window", budget=2 * model.most_frame_tokens)
    return memory.ask(text, tokens)


def test_it_is_what_the_model_says_to_the_text_alone(engine: NamedEngine) -> None:
    engine.start()
    text, result = result_of(merged(engine, Question("what is there?", max_tokens=6)))
    asked = (
        "Several cameras were asked: what is there?\n\nTheir answers:\nDock: a red car\n"
        "lobby: nobody\n\n"
        "Give one answer to the question, from these answers alone. Name the cameras."
    )
    assert text == expected(asked, 6)
    assert (result.answer_tokens, result.coverage) == (6, Coverage())
    assert engine.open_questions == 0


def test_it_shares_passes_with_cameras_and_changes_no_answer(engine: NamedEngine) -> None:
    handle = engine.open("a")
    sinks = ask(handle, [Question("What is there?", max_tokens=8)] * 2)
    own = [merged(engine, Question("what?", max_tokens=5)) for _ in range(3)]
    engine.start()
    assert len({result_of(sink)[0] for sink in own}) == 1
    among = result_of(sinks[0])[0]
    (alone,) = ask(handle, [Question("What is there?", max_tokens=8)])
    assert result_of(alone)[0] == among
    assert engine.open_questions == 0


def test_sampling_and_turns_count_and_choices_do_not(engine: NamedEngine) -> None:
    engine.start()
    plain, first = result_of(merged(engine, Question("what?", max_tokens=6)))
    again, second = result_of(
        merged(
            engine,
            Question(
                "what?",
                max_tokens=6,
                turns=(Turn("a?", "red"),),
                sampling=Sampling(repetition_penalty=2.0, logprobs=True),
                evidence=2,
            ),
        )
    )
    assert second.question_tokens > first.question_tokens
    assert len(second.logprobs) == 6
    assert not first.logprobs
    assert plain != again


def test_it_is_bounded_in_tokens_and_says_so() -> None:
    config = EngineConfig(budget_tokens=400, max_merge_tokens=60, max_question_tokens=40)
    engine = NamedEngine(tiny.model(), config, Observer())
    engine.start()
    try:
        sink = Sink()
        answers = [CameraAnswer(f"c{n}", "red blue yellow " * 30) for n in range(8)]
        _, shortened = engine.merge(Question("what?", max_tokens=3), answers, sink)
        assert shortened == 8
        assert result_of(sink)[1].question_tokens <= 60
    finally:
        engine.stop()


def test_a_long_prompt_gives_way_to_other_answers() -> None:
    """It is read in slices: what is asked after it is answered before it begins."""
    config = replace(CONFIG, prefill_tokens=16, max_merge_tokens=300)
    engine, events = NamedEngine(tiny.model(), config, Observer()), list[str]()
    handle = engine.open("a")
    merging, short = Noting("merged", events), Noting("short", events)
    answers = [CameraAnswer(f"c{n}", "red blue yellow " * 5) for n in range(5)]
    engine.merge(Question("what?", max_tokens=3), answers, merging)
    handle.ask(Question("Who?", max_tokens=3), short)
    engine.start()
    try:
        text, result = result_of(merging)
        result_of(short)
    finally:
        engine.stop()
    assert result.question_tokens > 5 * config.prefill_tokens
    assert events == ["short"] * 3 + ["merged"] * 3
    whole = NamedEngine(tiny.model(), replace(config, prefill_tokens=300), Observer())
    whole.start()
    try:
        assert result_of(merged(whole, Question("what?", max_tokens=3), answers))[0] == text
    finally:
        whole.stop()


def test_what_cannot_be_merged_is_refused(engine: NamedEngine) -> None:
    engine.start()
    with pytest.raises(NothingToMerge):
        engine.merge(Question("what?"), [], Sink())
    for text in (" ", "red " * 50):
        with pytest.raises(InvalidInput) as caught:
            engine.merge(Question(text), ANSWERS, Sink())
        assert caught.value.field == "question.text"
    with pytest.raises(InvalidInput, match="allowed here"):
        engine.merge(Question("what?", max_tokens=1000), ANSWERS, Sink())


def test_it_counts_as_an_open_question() -> None:
    config = EngineConfig(budget_tokens=400, max_questions=4, max_camera_questions=2)
    engine = NamedEngine(tiny.model(), config, Observer())
    try:
        for _ in range(2):
            merged(engine, Question("what?", max_tokens=3))
        with pytest.raises(Overloaded, match="2 merged answers are open"):
            merged(engine, Question("what?", max_tokens=3))
        assert engine.open_questions == 2
    finally:
        engine.stop()


def test_a_cancelled_one_makes_room(engine: NamedEngine) -> None:
    sink = Sink()
    answer, _ = engine.merge(Question("what?", max_tokens=12), ANSWERS, sink)
    answer.cancel()
    engine.start()
    result_of(merged(engine, Question("what?", max_tokens=2)))
    assert engine.open_questions == 0
    assert sink.result is None


def test_a_model_that_knows_no_text_alone_serves_all_else() -> None:
    class VideoOnly:
        text_template = None

        def __getattr__(self, name: str) -> Any:
            return getattr(tiny.model(), name)

    model: Any = VideoOnly()
    engine = NamedEngine(model, CONFIG, Observer())
    engine.start()
    try:
        with pytest.raises(Unsupported, match="without a video"):
            engine.merge(Question("what?"), ANSWERS, Sink())
        result_of(ask(engine.open("a"), [Question("What is there?", max_tokens=2)])[0])
    finally:
        engine.stop()
