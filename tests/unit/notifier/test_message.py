"""What counts as a message, and what it is called."""

from __future__ import annotations

import pytest

from hermes.v1.event_pb2 import Event
from services.notifier.message import Unreadable, parse
from tests.support import events


def test_a_message_knows_its_lane_its_type_and_its_time() -> None:
    message = events.message(events.opened(), 1234567)
    assert message.lane == ("fall", "ward-3")
    assert (message.type, message.written_ms, message.over) == ("opened", 1234567, False)
    assert events.message(events.closed(events.opened())).over


def test_the_same_bytes_have_the_same_id_wherever_they_stand() -> None:
    first = events.opened()
    assert events.message(first, 1).id == events.message(first, 2).id
    assert events.message(first).id != events.message(events.updated(first)).id
    assert events.message(first).id.startswith("msg_")


def test_a_message_names_its_sinks_or_all() -> None:
    assert events.message(events.opened()).names("oncall")
    only = events.message(events.opened(sinks=["home"]))
    assert only.names("home")
    assert not only.names("oncall")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({b"x": b"1"}, "no field e"),
        (None, "no field e"),
        ({b"e": b"\xff\xff"}, "no event"),
        ({b"e": b""}, "type 0 is not known"),
        ({b"e": Event(type=9, id="a").SerializeToString()}, "type 9 is not known"),  # type: ignore[arg-type]
        ({b"e": Event(type=1).SerializeToString()}, "has no id"),  # type: ignore[arg-type]
        ({b"e": events.opened(watch="a/+").SerializeToString()}, "the event's watch is no id"),
        ({b"e": events.opened(camera="").SerializeToString()}, "the event's camera is no id"),
    ],
)
def test_what_is_no_message_is_refused(fields: dict[bytes, bytes] | None, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse("1-0", fields)
