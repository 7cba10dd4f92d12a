"""Watches as JSON, there and back."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from hermes import client
from hermes.errors import InvalidInput
from hermes.hours import read_hours
from services.web.rest.watch_records import WatchFields, WatchInput, WatchRecord

FORMS: list[tuple[dict[str, Any], Any]] = [
    ({"kind": "yes_no"}, client.YesNo()),
    ({"kind": "choices", "texts": ["a", "b"]}, client.Choices(("a", "b"))),
    ({"kind": "number", "least": 0.0, "most": None, "decimals": 1}, client.Number(0, None, 1)),
    ({"kind": "diary", "interval_s": 60.0, "max_tokens": 9}, client.Diary(60.0, 9)),
]
CONDITIONS: list[tuple[dict[str, Any], Any]] = [
    ({"kind": "above", "value": 0.8, "clear": None}, client.Above(0.8)),
    ({"kind": "below", "value": 2.0, "clear": 3.0}, client.Below(2.0, 3.0)),
    ({"kind": "equals", "choices": ["a"], "probability": 0.6, "clear": None},
     client.Equals(("a",), 0.6)),
    ({"kind": "changes", "probability": 0.0}, client.Changes()),
    ({"kind": "rate", "per_minute": -1.0, "window_s": 30.0}, client.Rate(-1.0, 30.0)),
]  # fmt: skip


@pytest.mark.parametrize(("form", "theirs"), FORMS)
@pytest.mark.parametrize(("condition", "condition_of_theirs"), CONDITIONS)
def test_a_watch_there_and_back(
    form: Any, theirs: Any, condition: Any, condition_of_theirs: Any
) -> None:
    hours = "Mon-Fri 08:00-18:00 Europe/Berlin"
    given = {
        "id": "door",
        "text": "Is it open?",
        "camera_ids": ["lobby"],
        "form": form,
        "trigger": {"condition": condition, "hold_s": 5.0, "gap": "close"},
        "hours": hours,
        "labels": {"site": "dock"},
    }
    watch = WatchInput.model_validate(given).watch()
    assert watch == client.Watch(
        "door", "Is it open?", ("lobby",), form=theirs,
        trigger=client.Trigger(condition_of_theirs, hold_s=5.0, gap="close"),
        hours=read_hours(hours, "hours"), labels={"site": "dock"},
    )  # fmt: skip
    shown = to_jsonable_python(WatchRecord.of(client.WatchState(watch, 1, 0, "")))
    assert shown["form"] == form
    assert shown["trigger"]["condition"] == condition
    assert shown["hours"] == hours
    assert WatchRecord.model_validate(shown).watch() == watch


def test_a_change_has_what_is_given_alone() -> None:
    assert WatchFields.model_validate({"paused": True}).changes() == {"paused": True}
    assert WatchFields.model_validate({"trigger": None}).changes() == {"trigger": None}


def test_what_is_no_watch() -> None:
    with pytest.raises(InvalidInput, match="what is asked"):
        WatchInput.model_validate({"id": "door"}).watch()
    with pytest.raises(InvalidInput) as caught:
        WatchInput.model_validate({"id": "door", "text": "a", "hours": "whenever"}).watch()
    assert caught.value.field == "watch.hours"
    with pytest.raises(ValidationError):
        WatchInput.model_validate({"id": "door", "form": {"kind": "wish"}})
