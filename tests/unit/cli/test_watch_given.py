"""What flags and keys say about a watch."""

from __future__ import annotations

from typing import Any

import pytest

from hermes.client import (
    Above,
    Below,
    Changes,
    Choices,
    Diary,
    Equals,
    Number,
    Rate,
    Trigger,
    Watch,
)
from hermes.errors import InvalidInput
from services.cli.watch_flags import FLAGS, flag, given_of
from services.cli.watch_given import Given, build

NEW = Watch("w", "Is it?")
COUNT = Watch("w", "How many?", form=Number(0, 50), trigger=Trigger(Above(10), hold_s=5))


def built(before: Watch = NEW, **given: Any) -> Watch:
    return build(before, Given(**given), flag)


def test_a_yes_no_watch_opens_from_eighty_percent_on() -> None:
    watch = built(camera=("lobby",))
    assert (watch.trigger, watch.camera_ids) == (Trigger(Above(0.8)), ("lobby",))


def test_everything_that_can_be_said() -> None:
    watch = built(
        label=("area=ward", " floor!=2 "), below=0.2, clear=0.4, hold="5s", cooldown="2m",
        cooldown_overall="1h30m", gap="close", severity="critical", labels={"a": "b"},
        hours="Mon 08:00-09:00 UTC", every="500ms", heartbeat="1m", sink=("x",),
        display_name="W", paused=True,
    )  # fmt: skip
    assert watch.selector == "area=ward,floor!=2"
    assert watch.trigger == Trigger(Below(0.2, 0.4), 5, 120, 5400, "close")
    assert (watch.every_s, watch.heartbeat_s, watch.sinks) == (0.5, 60, ("x",))
    assert str(watch.hours) == "Mon 08:00-09:00 UTC"
    assert (watch.severity, watch.labels, watch.paused) == ("critical", {"a": "b"}, True)


@pytest.mark.parametrize(
    ("given", "form", "condition"),
    [
        ({"choices": ("a", "b"), "equals": ("a",), "probability": 0.7},
         Choices(("a", "b")), Equals(("a",), 0.7)),
        ({"choices": ("a", "b"), "changes": True}, Choices(("a", "b")), Changes()),
        ({"least": 1, "above": 3}, Number(1), Above(3)),
        ({"number": True, "decimals": 2, "rate": -3, "window": "30s"},
         Number(decimals=2), Rate(-3, 30)),
    ],
)  # fmt: skip
def test_forms_and_conditions(given: dict[str, Any], form: object, condition: object) -> None:
    watch = built(**given)
    assert watch.form == form
    assert watch.trigger == Trigger(condition)  # type: ignore[arg-type]


def test_a_diary_has_no_trigger() -> None:
    watch = built(diary="10m", max_tokens=40)
    assert (watch.form, watch.trigger) == (Diary(600, 40), None)
    assert built(watch, max_tokens=20).form == Diary(600, 20)


def test_what_is_not_said_stays() -> None:
    assert built(COUNT) == COUNT
    assert built(COUNT, cooldown="1m").trigger == Trigger(Above(10), 5, 60)
    assert built(COUNT, clear=8).trigger == Trigger(Above(10, 8), 5)
    assert built(COUNT, below=3).trigger == Trigger(Below(3), 5)
    assert built(COUNT, most=60).form == Number(0, 60)
    assert built(built(hours="Mon 08:00-09:00 UTC"), hours="always").hours is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"above": 0.5, "below": 0.2}, "--above: goes without --below"),
        ({"yes_no": True, "choices": ("a", "b")}, "--yes-no: goes without --choices"),
        ({"camera": ("a",), "label": ("b",)}, "--camera: goes without --label"),
        ({"diary": "10m", "hold": "5s"}, "--for: is not for a diary"),
        ({"max_tokens": 5}, "--max-tokens: is for a diary alone"),
        ({"window": "5s"}, "--window: goes with --rate"),
        ({"probability": 0.5}, "--probability: goes with --equals or --changes"),
        ({"cooldown": "5"}, "--cooldown: '5' is no duration"),
        ({"hours": "Mon"}, "--hours: 'Mon'"),
        ({"label": ("a in",)}, "--label: at character"),
    ],
)
def test_what_does_not_go_together_is_said(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        built(**given)
    assert str(refused.value).startswith(words)


def test_flags_become_what_is_given() -> None:
    flags: dict[str, Any] = dict.fromkeys(FLAGS)
    assert given_of(flags).said == []
    flags |= {"choices": "open, shut", "watch_label": ["a=1", "b-"], "equals": ["open"]}
    given = given_of(flags, labels={"b": "2", "c": "3"})
    assert (given.choices, given.equals) == (("open", "shut"), ("open",))
    assert given.labels == {"a": "1", "c": "3"}
