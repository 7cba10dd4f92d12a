"""Watches of the client to the wire and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from hermes.client import (
    Above,
    Below,
    Changes,
    Choices,
    Diary,
    Equals,
    EventFilter,
    Number,
    Rate,
    Trigger,
    Watch,
    YesNo,
)
from hermes.client.events import filter_message
from hermes.client.watch_messages import update_message, watch_message, watch_of
from hermes.errors import InvalidInput
from hermes.hours import read_hours

WATCHES = [
    Watch("a", "Is it?", ("lobby",), trigger=Trigger(Above(0.8, 0.0), gap="close")),
    Watch("b", "Is it?", selector="x=y", trigger=Trigger(Below(0.0), 1, 2, 3)),
    Watch("c", "Which?", ("x",), form=Choices(("a", "b")), trigger=Trigger(Equals(("a",), 0.6))),
    Watch("d", "Which?", ("x",), form=Choices(("a", "b")), trigger=Trigger(Changes(0.7))),
    Watch("e", "How many?", ("x",), form=Number(0, None, 2), trigger=Trigger(Rate(-2, 30))),
    Watch("f", "How many?", ("x",), form=Number(), trigger=Trigger(Above(7))),
    Watch("g", "What?", ("x",), form=Diary(600, 30), severity="info", paused=True),
    Watch(
        "h", "Is it?", ("x",), trigger=Trigger(Above(0.5)), labels={"a": "b"}, sinks=("s",),
        hours=read_hours("Mon 22:00-06:00 Europe/Berlin", ""), every_s=0.5, heartbeat_s=60,
        display_name="H",
    ),
]  # fmt: skip


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: watch.id)
def test_a_watch_survives_the_wire(watch: Watch) -> None:
    assert watch_of(watch_message(watch)) == watch


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"camera_ids": ("a",), "selector": "b"}, "watch.cameras"),
        ({"camera_ids": "lobby"}, "watch.cameras"),
        ({"severity": "grave"}, "watch.severity"),
        ({"trigger": Trigger(Above(1), gap="maybe")}, "watch.trigger.gap"),  # type: ignore[arg-type]
        ({"every_s": float("inf")}, "watch.every"),
        ({"form": Diary(1e300)}, "watch.diary.interval"),
        ({"text": "\udcff"}, "watch.text"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        watch_message(Watch(**{"id": "x", "text": "y", **fields}))
    assert refused.value.field == field


def test_an_update_names_what_changes() -> None:
    request = update_message("fall", {"text": "Is it?", "every_s": 2, "form": YesNo()})
    assert list(request.update_mask.paths) == ["text", "every", "yes_no"]
    assert (request.watch.id, request.watch.text, request.watch.every.seconds) == (
        "fall", "Is it?", 2,
    )  # fmt: skip
    both = update_message("fall", {"camera_ids": (), "selector": "a=b"})
    assert list(both.update_mask.paths) == ["cameras"]
    for name in ("version", "colour"):
        with pytest.raises(InvalidInput, match=f"watch.{name}"):
            update_message("fall", {name: 1})


def test_a_filter_wants_times_that_know_their_zone() -> None:
    assert not filter_message(EventFilter()).ListFields()
    with pytest.raises(InvalidInput, match=r"filter.opened_after"):
        filter_message(EventFilter(opened_after=datetime(2026, 1, 1)))
    with pytest.raises(InvalidInput, match=r"filter.at_least"):
        filter_message(EventFilter(at_least="grave"))  # type: ignore[arg-type]
