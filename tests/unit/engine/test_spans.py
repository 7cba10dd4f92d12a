"""Questions about a span, through the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermes.engine import Engine, EngineConfig
from hermes.errors import InvalidInput
from hermes.question import Question, Span
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.unit.engine.test_engine import Observer, Sink, batch, wait

QUESTION = "What now?"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    config = EngineConfig(
        budget_tokens=96, compress_every_frames=4, max_question_tokens=64, max_answer_tokens=8
    )
    made = Engine(tiny.model(), config, Observer())
    made.start()
    yield made
    made.stop()


def test_answers_about_spans_are_those_of_the_library(engine: Engine) -> None:
    """Several at once, beside a plain one; coverage and its parts are of each answer's span."""
    spans = (Span(2_000, 5_000), None, Span(6_000, None))
    expected = []
    for span in spans:
        memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=4)
        for seed in range(9):
            memory.feed(tiny.pictures(1, seed=seed), [1000 * seed])
        expected.append(memory.ask(QUESTION, 6, span=span))
    camera = engine.open("a")
    for seed in range(9):
        camera.offer(batch(seed))
    sinks = [Sink() for _ in spans]
    for span, sink in zip(spans, sinks, strict=True):
        question = Question(QUESTION, max_tokens=6, span=span)
        camera.ask(question, sink, ready=lambda cursor: cursor >= "000008")
    for sink in sinks:
        wait(sink.ended)
    camera.close()
    assert [sink.text for sink in sinks] == expected
    first, plain, last = (sink.result for sink in sinks)
    assert first is not None
    assert first.span is not None
    assert (first.coverage.start_ms, first.coverage.end_ms) == (2_000, 5_000)
    assert first.span.thinned_ms == 3_000
    assert plain is not None
    assert plain.span is None
    assert last is not None
    assert last.span is not None
    assert (last.span.end_ms, last.span.whole_ms + last.span.thinned_ms) == (8_000, 2_000)


def test_a_span_of_which_nothing_is_held_is_refused_by_name(engine: Engine) -> None:
    camera, sink = engine.open("b"), Sink()
    camera.offer(batch(0))
    question = Question(QUESTION, span=Span(90_000, 95_000))
    camera.ask(question, sink, ready=lambda cursor: cursor >= "000000")
    wait(sink.ended)
    camera.close()
    assert isinstance(sink.error, InvalidInput)
    assert sink.error.field == "question.span"
    assert "after the newest frame" in str(sink.error)
    assert not sink.text
