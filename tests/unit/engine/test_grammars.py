"""Answers in a schema or a regular expression, among others, in an engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import jsonschema
import pytest

from hermes.errors import AnswerCut, InvalidInput
from hermes.question import Choices, JsonSchema, Question, Regex
from hermes.sampling import Sampling
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.support.schemas_and_patterns import SCHEMAS
from tests.unit.engine.test_choices import CONFIG, Sink, ask, filled, result_of

RECORD = SCHEMAS["a record"]


@pytest.fixture
def engine() -> Iterator[NamedEngine]:
    with filled(replace(CONFIG, max_answer_tokens=60)) as made:
        yield made


def memory() -> VideoMemory:
    made = VideoMemory(tiny.model(), "sliding-window", budget=400)
    made.feed(tiny.pictures(4))
    return made


QUESTIONS = (
    Question("What is there?", 60, form=JsonSchema(json.dumps(RECORD))),
    Question("What is there?", 10),
    Question(
        "What is there?",
        60,
        form=JsonSchema(json.dumps(RECORD)),
        sampling=Sampling(temperature=1.5, seed=3, logprobs=True),
    ),
    Question(
        "Who is there?",
        60,
        form=Regex("(red|blue) [a-z]{2,6}!"),
        sampling=Sampling(repetition_penalty=1.4),
    ),
    Question("Is it day?", form=Choices(("yes", "no"))),
)


def test_answers_with_forms_share_passes_with_others(engine: NamedEngine) -> None:
    """Each says what it says alone, on a memory of its own."""
    sinks = ask(engine.handles["a"], [*QUESTIONS, *QUESTIONS])
    engine.start()
    results = [result_of(sink) for sink in sinks]
    for sink, question in zip(sinks, QUESTIONS * 2, strict=True):
        alone = memory().ask(
            question.text, question.max_tokens, question.sampling, form=question.form
        )
        assert "".join(sink.deltas) == alone
    for at in (0, 2, 5, 7):
        jsonschema.validate(json.loads("".join(sinks[at].deltas)), RECORD)
        assert results[at].finish_reason == "stop"
    assert re.fullmatch("(red|blue) [a-z]{2,6}!", "".join(sinks[3].deltas))
    drawn = results[2]
    assert "".join(token.text for token in drawn.logprobs) == "".join(sinks[2].deltas)


def test_an_answer_that_the_limit_cuts_is_an_error_after_its_text(engine: NamedEngine) -> None:
    whole, cut = (Question("Who?", n, form=QUESTIONS[0].form) for n in (60, 4))
    sinks = ask(engine.handles["a"], [whole, cut])
    engine.start()
    result_of(sinks[0])
    assert sinks[1].ended.wait(30)
    assert isinstance(sinks[1].error, AnswerCut)
    assert "limit of 4 tokens" in str(sinks[1].error)
    text = "".join(sinks[1].deltas)
    assert text
    assert "".join(sinks[0].deltas).startswith(text)
    assert engine.open_questions == 0


def test_an_answer_that_could_go_on_ends_at_its_limit(engine: NamedEngine) -> None:
    (sink,) = ask(engine.handles["a"], [Question("How many?", 5, form=Regex("[0-9]{5,}"))])
    engine.start()
    assert result_of(sink).finish_reason == "length"
    assert re.fullmatch("[0-9]{5}", "".join(sink.deltas))


def test_an_answer_whose_form_becomes_too_complex_fails_alone(engine: NamedEngine) -> None:
    wild = Question("Who?", 60, form=Regex("(.{0,1000}){0,1000}x"))
    sinks = ask(engine.handles["a"], [wild, QUESTIONS[1]])
    engine.start()
    result_of(sinks[1])
    assert sinks[0].ended.wait(60)
    assert isinstance(sinks[0].error, InvalidInput | AnswerCut)


@pytest.mark.parametrize("form", [JsonSchema('{"type":"colour"}'), Regex("(")])
def test_nonsense_is_refused_before_anything_runs(
    engine: NamedEngine, form: JsonSchema | Regex
) -> None:
    """The engine has no thread yet."""
    with pytest.raises(InvalidInput, match=r"question\.(json_schema|regex): is no usable"):
        engine.handles["a"].ask(Question("Who?", form=form), Sink())
    assert engine.open_questions == 0


def test_a_form_can_be_prepared_by_another_thread(engine: NamedEngine) -> None:
    """What `ask` then takes is what was compiled."""
    handle, forms = engine.handles["a"], engine.model.forms
    form = Regex("[a-c]{3}")
    handle.prepare(form)
    compiled = forms.grammar(form)
    handle.ask(Question("Who?", form=form), Sink())
    assert forms.grammar(form) is compiled
    with pytest.raises(InvalidInput, match="nothing can match it"):
        handle.prepare(Regex(r"[^\s\S]"))


def test_a_stop_text_is_refused_with_a_schema(engine: NamedEngine) -> None:
    question = Question("Who?", form=Regex("[a-z]+"), sampling=Sampling(stop=("a",)))
    with pytest.raises(InvalidInput, match="stop: cannot be used"):
        engine.handles["a"].ask(question, Sink())
    assert engine.open_questions == 0
