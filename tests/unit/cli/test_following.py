"""`hermes events follow` while the gateway comes and goes; events in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hermes.client import EventFilter, FollowedEvent
from hermes.client.events import event_of
from hermes.errors import HermesError, InvalidInput, Unavailable
from hermes.v1.event_pb2 import Event
from services.cli.event_words import details_of, line_of, row_of
from services.cli.events import following
from tests.support.event_messages import closed, note, opened, updated


class FakeStream:
    """Yields positions, and then ends with an error."""

    def __init__(self, plays: list[str | HermesError], after: str) -> None:
        self._plays = plays
        self.position = after

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __iter__(self) -> Iterator[FollowedEvent]:
        for play in self._plays:
            if isinstance(play, HermesError):
                raise play
            self.position = play
            yield FollowedEvent(event_of(opened()), play, False)


class FakeClient:
    """Plays one list a call."""

    def __init__(self, *plays: list[str | HermesError]) -> None:
        self._plays = list(plays)
        self.asked: list[str] = []

    def follow_events(self, filter_: EventFilter, *, after: str) -> FakeStream:
        self.asked.append(after)
        return FakeStream(self._plays.pop(0), after)


def followed(client: Any, after: str = "") -> tuple[list[str], list[float]]:
    pauses: list[float] = []
    said: list[str] = []
    found = following(client, EventFilter(), after, said.append, pauses.append)
    return [one.position for one in found], pauses


def test_it_goes_on_where_it_broke_off() -> None:
    gone = Unavailable("gone", 1.0)
    client = FakeClient(["1-0", "2-0", gone], [gone], [gone], ["3-0"])
    assert followed(client) == (["1-0", "2-0", "3-0"], [1.0, 2.0, 4.0])
    assert client.asked == ["", "2-0", "2-0", "2-0"]


def test_a_gateway_that_never_answers_is_an_error() -> None:
    plays: list[list[str | HermesError]] = [[Unavailable("gone", 1.0)] for _ in range(9)]
    client = FakeClient(*plays)
    with pytest.raises(Unavailable):
        followed(client)
    assert len(client.asked) == 5


def test_what_does_not_help_to_repeat_is_an_error_at_once() -> None:
    client = FakeClient(["1-0", InvalidInput("filter", "no")])
    with pytest.raises(InvalidInput):
        followed(client)


def line(message: Event) -> str:
    return line_of(event_of(message)).partition("  ")[2]


def test_messages_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert line(opened()) == (
        "OPENED  warning  fall  lobby  0.9  Is anybody lying on the floor?  (e1)"
    )
    assert line(updated(value=0.9, sentence="A person\x1b[31m lies there.")) == (
        "UPDATED  warning  fall  lobby  0.9  A person[31m lies there.  (e1)"
    )
    assert line(closed()).startswith("CLOSED  warning  fall  lobby  0.2  after 1m  ")
    assert line(note()) == "NOTE  warning  diary  lobby  -  All is calm.  (n1)"


def test_rows_and_details() -> None:
    event = event_of(closed(answer="open"))
    assert row_of(event)[2:7] == ["1m", "warning", "fall", "lobby", "open 0.20"]
    details = list(details_of(event))
    assert "answer: open" in details
    assert "value: 0.2, peak 0.95" in details
    assert any("the condition does not hold any more" in line for line in details)
    assert row_of(event_of(opened()))[2] == "open"
    assert row_of(event_of(note()))[2] == "-"
