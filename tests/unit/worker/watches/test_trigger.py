"""When a watch's events open and close."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.hermes_worker.watches.change_trigger import ChangeTrigger
from services.hermes_worker.watches.conditions import Above, Below, OneOf, Reading
from services.hermes_worker.watches.trigger import (
    Closed,
    End,
    Opened,
    Phase,
    Rules,
    State,
    Step,
    Trigger,
)
from services.hermes_worker.watches.written import read, written
from tests.support.examples import at_most
from tests.support.watches import yes_no

S = 1000
FALL = yes_no(version=3)


def trigger(rules: Rules, condition: Above | Below | OneOf, state: State | None = None) -> Trigger:
    numbers = itertools.count()
    return Trigger(rules, condition, lambda: f"event-{next(numbers)}", state or State())


def told(steps: Sequence[Step]) -> list[str]:
    return [
        f"open {step.at_ms // S}" if isinstance(step, Opened) else f"close {step.at_ms // S}"
        for step in steps
    ]


def run(made: Trigger, values: Sequence[float], every_ms: int = S) -> list[str]:
    steps: list[Step] = []
    for number, value in enumerate(values):
        steps += made.step(Reading(number * every_ms, value))
    return told(steps)


HYSTERESIS = Above(0.8, 0.5)

CASES: dict[str, tuple[Rules, Above | Below, list[float], list[str]]] = {
    "opens at once": (Rules(), HYSTERESIS, [0, 0.9], ["open 1"]),
    "opens at the limit itself": (Rules(), HYSTERESIS, [0.8], ["open 0"]),
    "closes at the lower limit": (Rules(), HYSTERESIS, [0.9, 0.5], ["open 0", "close 1"]),
    "stays open between the limits": (Rules(), HYSTERESIS, [0.9, 0.6, 0.79, 0.51], ["open 0"]),
    "stays closed between the limits": (Rules(), HYSTERESIS, [0.6, 0.79, 0.51], []),
    "opens again after it closed": (
        Rules(),
        HYSTERESIS,
        [0.9, 0.1, 0.9],
        ["open 0", "close 1", "open 2"],
    ),
    "waits for as long as it must": (Rules(hold_ms=2 * S), HYSTERESIS, [0.9] * 4, ["open 2"]),
    "begins to wait anew": (
        Rules(hold_ms=2 * S),
        HYSTERESIS,
        [0.9, 0.9, 0.7, 0.9, 0.9, 0.9],
        ["open 5"],
    ),
    "waits for the cooldown": (
        Rules(cooldown_ms=4 * S),
        HYSTERESIS,
        [0.9, 0.1, 0.9, 0.9, 0.9],
        ["open 0", "close 1", "open 4"],
    ),
    "is silent if it is over within the cooldown": (
        Rules(cooldown_ms=4 * S),
        HYSTERESIS,
        [0.9, 0.1, 0.9, 0.1, 0.1],
        ["open 0", "close 1"],
    ),
    "below opens from its limit down": (
        Rules(),
        Below(0.2, 0.4),
        [0.5, 0.2, 0.3, 0.4],
        ["open 1", "close 3"],
    ),
    "a number that has one limit": (
        Rules(),
        Above(3, 3),
        [2, 3, 2, 4],
        ["open 1", "close 2", "open 3"],
    ),
    "growth a minute": (
        Rules(rate_ms=2 * S),
        Above(60, 54),
        [0, 0, 0, 2, 4, 4, 4],
        ["open 3", "close 6"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    rules, condition, values, expected = CASES[name]
    assert run(trigger(rules, condition), values) == expected


def test_an_event_says_when_it_began_and_its_most_extreme_value() -> None:
    made = trigger(Rules(hold_ms=2 * S), HYSTERESIS)
    steps: list[Step] = []
    for number, value in enumerate([0.9, 0.97, 0.85, 0.9, 0.1]):
        steps += made.step(Reading(number * S, value))
    assert steps == [
        Opened("event-0", 0, 2 * S, 0.85, ""),
        Closed("event-0", 0, 4 * S, 0.1, 0.97, End.CLEARED),
    ]


def test_a_gap_neither_opens_nor_closes() -> None:
    made = trigger(Rules(hold_ms=5 * S), HYSTERESIS)
    made.step(Reading(0, 0.9))
    assert made.step(Reading(60 * S, 0.9, after_gap=True)) == []  # nobody saw it hold meanwhile
    assert told(made.step(Reading(65 * S, 0.9))) == ["open 65"]
    assert made.step(Reading(600 * S, 0.9, after_gap=True)) == []
    assert made.state.phase is Phase.OPEN


def test_a_gap_closes_where_the_watch_says_so() -> None:
    made = trigger(Rules(gap_closes=True), HYSTERESIS)
    made.step(Reading(0, 0.9))
    steps = made.step(Reading(60 * S, 0.9, after_gap=True))
    assert told(steps) == ["close 0", "open 60"]  # it ends with the last that was seen
    assert isinstance(steps[0], Closed)
    assert steps[0].end is End.GAP


def test_a_clock_that_jumps_is_a_gap() -> None:
    made = trigger(Rules(hold_ms=5 * S, longest_step_ms=60 * S), HYSTERESIS)
    made.step(Reading(0, 0.9))
    assert made.step(Reading(61 * S, 0.9)) == []
    assert made.step(Reading(30 * S, 0.9)) == []  # back: it says nothing
    assert told(made.step(Reading(66 * S, 0.9))) == ["open 66"]


def test_another_camera_can_hold_it_back() -> None:
    made = trigger(Rules(), HYSTERESIS)
    assert made.step(Reading(0, 0.9), may_open=lambda at_ms: False) == []
    assert told(made.step(Reading(S, 0.9), may_open=lambda at_ms: at_ms == S)) == ["open 1"]


def test_a_choice_opens_by_its_probability() -> None:
    made = trigger(Rules(), OneOf(frozenset({"open", "ajar"}), 0.7, 0.6))
    steps: list[Step] = []
    for number, choices in enumerate(
        [
            {"open": 0.4, "ajar": 0.35, "shut": 0.25},  # together
            {"open": 0.33, "ajar": 0.32, "shut": 0.35},  # another is the likeliest
            {"open": 0.3, "ajar": 0.2, "shut": 0.5},
        ]
    ):
        steps += made.step(Reading(number * S, choices=choices))
    assert told(steps) == ["open 0", "close 2"]


def test_a_choice_must_be_the_likeliest_to_open() -> None:
    made = trigger(Rules(), OneOf(frozenset({"open", "ajar"}), 0.5, 0.25))
    steps = made.step(Reading(0, choices={"open": 0.3, "ajar": 0.3, "shut": 0.4}))
    steps += made.step(Reading(S, choices={"open": 0.4, "ajar": 0.3, "shut": 0.3}))
    assert told(steps) == ["open 1"]


def changes(rules: Rules) -> ChangeTrigger:
    numbers = itertools.count()
    return ChangeTrigger(rules, 0.6, lambda: f"event-{next(numbers)}")


def seen(made: ChangeTrigger, answers: str) -> list[str]:
    steps: list[Step] = []
    for number, answer in enumerate(answers):
        known = {"?": {"a": 0.5, "b": 0.5}}.get(answer, {answer: 0.9, "z": 0.1})
        steps += made.step(Reading(number * S, choices=known))
    return told(steps)


@pytest.mark.parametrize(
    ("rules", "answers", "expected"),
    [
        (Rules(), "aabb", ["open 2", "close 2"]),
        (Rules(), "a??b", ["open 3", "close 3"]),
        (Rules(), "aba", ["open 1", "close 1", "open 2", "close 2"]),
        (Rules(hold_ms=2 * S), "abab", []),
        (Rules(hold_ms=2 * S), "abbb", ["open 3", "close 3"]),
        (Rules(cooldown_ms=10 * S), "abab", ["open 1", "close 1"]),
    ],
)
def test_a_choice_that_changes(rules: Rules, answers: str, expected: list[str]) -> None:
    assert seen(changes(rules), answers) == expected


values = st.lists(st.floats(0, 1), max_size=60)
pauses = st.lists(st.integers(1, 20_000), min_size=60, max_size=60)
gaps = st.lists(st.booleans(), min_size=60, max_size=60)
rules = st.builds(
    Rules,
    hold_ms=st.sampled_from([0, 500, 7000]),
    cooldown_ms=st.sampled_from([0, 3000, 40_000]),
    gap_closes=st.booleans(),
    longest_step_ms=st.sampled_from([10_000, 10**9]),
)


@settings(max_examples=at_most(200), deadline=None)
@given(rules=rules, values=values, pauses=pauses, gaps=gaps, cut=st.integers(0, 60))
def test_what_always_holds(
    rules: Rules, values: list[float], pauses: list[int], gaps: list[bool], cut: int
) -> None:
    """One open at most, cooldowns kept, no flapping; a successor goes on where the other was."""
    made, whole = trigger(rules, HYSTERESIS), trigger(rules, HYSTERESIS)
    at, opened, last, steps, expected = 0, "", None, [], []
    for number, value in enumerate(values):
        at += pauses[number]
        if number == cut:
            known = read(written(made.state, FALL))
            assert known is not None
            assert (known.state, known.version) == (made.state, 3)
            assert known.watch == (FALL if made.state.phase is Phase.OPEN else None)
            successor = trigger(rules, HYSTERESIS, known.state)
            successor.new_id = made.new_id
            made = successor
        reading = Reading(at, value, after_gap=gaps[number])
        expected += whole.step(reading)
        for step in made.step(reading):
            steps.append(step)
            if isinstance(step, Opened):
                assert not opened
                assert value >= HYSTERESIS.threshold
                assert last is None or at - last >= rules.cooldown_ms
                assert at - step.since_ms >= rules.hold_ms
                opened, last = step.event_id, at
            else:
                assert step.event_id == opened
                assert value <= HYSTERESIS.clear or (rules.gap_closes and step.end is End.GAP)
                opened = ""
    assert steps == expected


def test_a_state_of_a_later_version_may_say_more() -> None:
    """Its event stays open: what opened it is not forgotten."""
    state = State(phase=Phase.OPEN, event_id="e", since_ms=7)
    known = read(written(state, FALL).replace(b'"since_ms"', b'"mood":[1],"since_ms"'))
    assert known is not None
    assert known.state == state


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        written(State(), FALL).replace(b"quiet", b"loud"),
        written(State(), FALL).replace(b'"since_ms":0', b'"since_ms":"x"'),
        written(State(), FALL).replace(b'"event_id":""', b'"event_id":7'),
        written(State(), FALL).replace(b'"samples":[]', b'"samples":[[1]]'),
    ],
)
def test_what_is_no_state_is_none(raw: bytes) -> None:
    assert read(raw) is None
