"""A pass that one caller fills gives way to the questions of others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermes.engine import EngineConfig
from hermes.engine.crowd import LATELY_S, MANY, AskedLately, Crowd, unread_by_caller
from hermes.question import Question
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, batch, wait, wait_for
from tests.unit.engine.test_prefill import asked

CONFIG = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=2, max_question_tokens=64,
    max_answer_tokens=40, max_wait_s=60.0,
)  # fmt: skip


def test_a_pass_gives_way_to_each_other_caller_once() -> None:
    flood = [asked(1, caller="flood") for _ in range(MANY + 1)]
    few = [asked(1, caller="few") for _ in range(MANY)]
    crowd = Crowd([*flood, *few])
    assert crowd
    assert not crowd.lets_first(asked(1, caller="flood"))
    assert crowd.lets_first(asked(1, caller="few"))
    assert crowd.lets_first(asked(1, caller="quiet"))
    crowd.went([asked(1, caller="quiet")])
    assert not crowd.lets_first(asked(1, caller="quiet"))
    assert unread_by_caller([*flood, *few]) == {"flood": MANY + 1, "few": MANY}


def test_a_few_answers_are_no_crowd_nor_are_those_of_callers_that_are_not_known() -> None:
    assert not Crowd([asked(1, caller="few") for _ in range(MANY)])
    assert not Crowd([asked(1) for _ in range(99)])


def test_callers_ask_at_the_same_time_if_two_known_ones_asked_within_a_minute() -> None:
    now = 0.0
    lately = AskedLately(lambda: now)
    lately.asked("flood")
    lately.asked("")
    assert not lately.several
    lately.asked("quiet")
    now = LATELY_S - 1
    lately.asked("flood")
    assert lately.several
    now = LATELY_S
    lately.asked("flood")
    assert not lately.several
    lately.asked("third")
    assert lately.several


@pytest.fixture
def engine() -> Iterator[NamedEngine]:
    made = NamedEngine(tiny.model(), CONFIG, Observer())
    yield made
    made.stop()


def test_a_quiet_caller_gets_its_first_token_before_the_pass_of_a_flood_ends(
    engine: NamedEngine,
) -> None:
    """It is asked in the middle of a pass: the device looks around there, and nothing came since
    it did so last.
    """
    deltas: list[str] = []
    quiet = Sink(lambda: deltas.append("quiet"))
    flood = [Sink(lambda: deltas.append("flood")) for _ in range(20)]
    seen, asked_at = -1, -1

    def beat() -> None:
        nonlocal seen, asked_at
        under_way = deltas.count("flood") >= 40
        if asked_at < 0 and under_way and seen == len(deltas):
            asked_at = len(deltas)
            engine.handles["a"].ask(Question("What now?", 2), quiet, caller="quiet")
        seen = len(deltas)

    handle = engine.open("a")
    engine.offer("a", batch(0, 3))
    engine.start(beat)
    wait_for(lambda: engine.report("a").cursor == "000000")  # and its memory stays as it is
    for sink in flood:
        handle.ask(Question("What was there?", 30), sink, caller="flood")
    for sink in [quiet, *flood]:
        wait(sink.ended)
        assert sink.error is None
        assert sink.result is not None
    assert deltas[asked_at] == "quiet"
    assert quiet.text
    alone = Sink()
    handle.ask(Question("What now?", 2), alone)
    wait(alone.ended)
    assert alone.text == quiet.text, "the pass that waited changed nothing for it"
    again = Sink()
    handle.ask(Question("What was there?", 30), again)
    wait(again.ended)
    assert {sink.text for sink in flood} == {again.text}, "nor it for the pass that waited"
