"""A watch's trigger, made of what a person said about it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from hermes.v1.watch_pb2 import Watch
from services.hermes_worker.watches.change_trigger import ChangeTrigger
from services.hermes_worker.watches.conditions import Above, Below, OneOf
from services.hermes_worker.watches.rules import trigger_of
from services.hermes_worker.watches.trigger import Rules, State, Trigger

YES_NO: dict[str, Any] = {"yesNo": {}}
NUMBER: dict[str, Any] = {"number": {}}
CHOICES: dict[str, Any] = {"choices": {"texts": ["open", "ajar", "shut"]}}


def made(form: dict[str, Any], trigger: dict[str, Any]) -> Any:
    watch = Watch()
    json_format.ParseDict(form | {"trigger": trigger}, watch)
    return trigger_of(watch, State(), lambda: "event")


@pytest.mark.parametrize(
    ("form", "trigger", "condition"),
    [
        (YES_NO, {"above": {"value": 0.8}}, Above(0.8, 0.8 - 0.1)),
        (YES_NO, {"above": {"value": 0.8, "clear": 0.2}}, Above(0.8, 0.2)),
        (YES_NO, {"above": {"value": 0.05}}, Above(0.05, 0.0)),
        (YES_NO, {"below": {"value": 0.3}}, Below(0.3, 0.4)),
        (NUMBER, {"above": {"value": 5}}, Above(5, 5)),
        (NUMBER, {"below": {"value": 5, "clear": 7}}, Below(5, 7)),
        (NUMBER, {"rate": {"perMinute": 10}}, Above(10, 9)),
        (NUMBER, {"rate": {"perMinute": -10}}, Below(-10, -9)),
        (CHOICES, {"equals": {"choices": ["open"]}}, OneOf(frozenset({"open"}), 0.5, 0.25)),
    ],
)
def test_conditions(form: dict[str, Any], trigger: dict[str, Any], condition: object) -> None:
    found = made(form, trigger)
    assert isinstance(found, Trigger)
    assert found.condition == condition


def test_times() -> None:
    rule = {"value": 5.0}
    found = made(NUMBER, {"above": rule, "hold": "5s", "cooldown": "120s", "gap": "GAP_RULE_CLOSE"})
    assert found.rules == Rules(hold_ms=5000, cooldown_ms=120_000, gap_closes=True)
    found = made(NUMBER, {"rate": {"perMinute": 1, "window": "30s"}})
    assert found.rules == Rules(rate_ms=30_000)


def test_changes_and_a_diary() -> None:
    found = made(CHOICES, {"changes": {}})
    assert isinstance(found, ChangeTrigger)
    assert found.least == 0.5
    assert made({"diary": {"interval": "600s"}}, {}) is None
