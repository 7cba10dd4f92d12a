"""Questions with choices and questions with earlier turns, among others, in an engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from hermes.engine import AnswerResult, Batch, CameraHandle, EngineConfig, FrameInput
from hermes.errors import HermesError, InvalidInput
from hermes.memory import FrameStamp
from hermes.question import Choices, Question, Turn
from hermes.sampling import Sampling
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_decoding import Observer

CONFIG = EngineConfig(
    budget_tokens=400,
    compress_every_frames=4,
    max_cameras=2,
    max_question_tokens=40,
    max_answer_tokens=12,
    policy="sliding-window",
)
COLOURS = ("red", "yellow", "a white circle", "blue")


class Sink:
    def __init__(self) -> None:
        self.deltas: list[str] = []
        self.result: AnswerResult | None = None
        self.error: HermesError | None = None
        self.ended = threading.Event()

    def delta(self, text: str) -> None:
        self.deltas.append(text)

    def done(self, result: AnswerResult) -> None:
        self.result = result
        self.ended.set()

    def failed(self, error: HermesError) -> None:
        self.error = error
        self.ended.set()


@contextmanager
def filled(config: EngineConfig) -> Iterator[NamedEngine]:
    """An engine with a camera, "a", and four frames for it. Its thread does not run yet."""
    made = NamedEngine(tiny.model(), config, Observer())
    handle = made.open("a")
    frames = [FrameInput(each, FrameStamp(n * 1000)) for n, each in enumerate(tiny.pictures(4))]
    handle.offer(Batch(frames, "1"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[NamedEngine]:
    with filled(getattr(request, "param", CONFIG)) as made:
        yield made


@pytest.fixture
def memory() -> VideoMemory:
    made = VideoMemory(tiny.model(), "sliding-window", budget=400)
    made.feed(tiny.pictures(4))
    return made


def ask(handle: CameraHandle, questions: Sequence[Question]) -> list[Sink]:
    sinks = [Sink() for _ in questions]
    for question, sink in zip(questions, sinks, strict=True):
        handle.ask(question, sink, ready=lambda cursor: cursor == "1")
    return sinks


def result_of(sink: Sink) -> AnswerResult:
    assert sink.ended.wait(30)
    assert sink.result is not None, sink.error
    return sink.result


def settled(engine: NamedEngine) -> None:
    """Wait until the device's thread is done with its pass."""
    done = threading.Event()
    engine.run(done.set)
    assert done.wait(30)


NARROW = replace(CONFIG, prefill_tokens=4)
"""Its passes have room for no more than the longest of `COLOURS` and one of the others."""


@pytest.mark.parametrize("engine", [CONFIG, NARROW], indirect=True, ids=["wide", "narrow"])
def test_choices_share_passes_with_other_answers(engine: NamedEngine, memory: VideoMemory) -> None:
    """Each has the probabilities and the text that it has alone, on a memory of its own."""
    choices = Question("What colour is it?", form=Choices(COLOURS))
    others = Question("Is it day?", form=Choices(("yes", "no")))
    free = Question("What is happening?")
    sinks = ask(engine.handles["a"], [free, choices, free, others, choices])
    engine.start()
    said = memory.ask(free.text, 12)
    for sink in (sinks[0], sinks[2]):
        result_of(sink)
        assert "".join(sink.deltas) == said
    for sink, question in ((sinks[1], choices), (sinks[3], others), (sinks[4], choices)):
        assert isinstance(question.form, Choices)
        expected = memory.choose(question.text, question.form.texts)
        result = result_of(sink)
        for found, alone in zip(result.choices, expected, strict=True):
            assert found.text == alone.text
            assert found.logprob == pytest.approx(alone.logprob, abs=1e-4)
            assert found.probability == pytest.approx(alone.probability, abs=1e-4)
        likeliest = max(result.choices, key=lambda choice: choice.probability)
        assert sink.deltas == [likeliest.text]
        assert (result.finish_reason, result.answer_tokens) == ("stop", likeliest.tokens)
        assert result.fresh_ttft_s >= result.warm_ttft_s > 0
    assert engine.open_questions == 0


def test_the_tokens_of_the_likeliest_choice_have_log_probabilities(engine: NamedEngine) -> None:
    """Whatever else is said of how an answer is written."""
    sampling = Sampling(temperature=2.0, stop=("e",), logprobs=True)
    question = Question("What colour is it?", form=Choices(COLOURS), sampling=sampling)
    (sink,) = ask(engine.handles["a"], [question])
    engine.start()
    result = result_of(sink)
    likeliest = max(result.choices, key=lambda choice: choice.probability)
    assert sink.deltas == [likeliest.text]
    assert "".join(token.text for token in result.logprobs) == likeliest.text
    assert len(result.logprobs) == likeliest.tokens - 1
    assert sum(token.logprob for token in result.logprobs) > likeliest.logprob


def test_choices_that_cannot_be_are_refused_before_anything_runs(engine: NamedEngine) -> None:
    handle = engine.handles["a"]
    long = "a white circle " * 5
    for texts, message in ((("Yes", "yes"), "same tokens"), (("no", long), "at most 12")):
        with pytest.raises(InvalidInput, match=message):
            handle.ask(Question("Is it?", form=Choices(texts)), Sink())
    assert engine.open_questions == 0


@pytest.mark.parametrize("engine", [replace(NARROW, max_wait_s=1e-9)], indirect=True)
def test_a_question_is_read_once_all_of_its_choices_are(engine: NamedEngine) -> None:
    """The engine refuses a question while another is unread; it is not after several passes."""
    handle = engine.handles["a"]
    (first,) = ask(handle, [Question("Who?", 1)])
    engine.start()
    result_of(first)
    for _ in range(3):
        settled(engine)
        (sink,) = ask(handle, [Question("What colour is it?", form=Choices(COLOURS))])
        result_of(sink)
    assert engine.open_questions == 0


def turns(count: int) -> tuple[Turn, ...]:
    return tuple(Turn(f"Is it {n}?", "a red circle") for n in ("day", "night", "left")[:count])


def test_earlier_turns_travel_with_a_question(engine: NamedEngine, memory: VideoMemory) -> None:
    questions = [Question("Where is it?", turns=turns(count)) for count in (0, 1, 2)]
    sinks = ask(engine.handles["a"], questions)
    engine.start()
    results = [result_of(sink) for sink in sinks]
    for sink, question in zip(sinks, questions, strict=True):
        assert "".join(sink.deltas) == memory.ask(question.text, 12, turns=question.turns)
    tokens = [result.question_tokens for result in results]
    assert tokens[0] < tokens[1] < tokens[2] <= CONFIG.max_question_tokens
    assert [result.dropped_turns for result in results] == [0, 0, 0]


def test_the_oldest_turns_are_dropped_where_there_is_no_room(
    engine: NamedEngine, memory: VideoMemory
) -> None:
    long = Turn("Is it day? " * 20, "yes")
    sets = [(*turns(3), *turns(3)), (long, turns(1)[0]), (turns(1)[0], long)]
    questions = [Question("Where is it?", turns=each) for each in sets]
    sinks = ask(engine.handles["a"], questions)
    engine.start()
    results = [result_of(sink) for sink in sinks]
    assert 0 < results[0].dropped_turns < 6
    assert [result.dropped_turns for result in results[1:]] == [1, 2]
    for sink, result, each in zip(sinks, results, sets, strict=True):
        assert result.question_tokens <= CONFIG.max_question_tokens
        kept = each[result.dropped_turns :]
        assert "".join(sink.deltas) == memory.ask("Where is it?", 12, turns=kept)


def test_a_turn_without_a_question_is_refused(engine: NamedEngine) -> None:
    (sink,) = ask(engine.handles["a"], [Question("Who?", turns=(Turn(" ", "yes"),))])
    engine.start()
    assert sink.ended.wait(30)
    assert isinstance(sink.error, InvalidInput)
    assert sink.error.field == "question.turns"
