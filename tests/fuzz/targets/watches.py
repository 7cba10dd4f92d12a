"""What comes over gRPC and lies in Redis of watches and events, and hours as people write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from hermes.client.events import event_of as client_event_of
from hermes.client.watch_messages import watch_of
from hermes.durations import duration_text, read_duration
from hermes.errors import InvalidInput
from hermes.hours import read_hours
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import EventFilter, EventServiceListRequest
from hermes.v1.watch_pb2 import Watch, WatchServiceCreateRequest, WatchServiceUpdateRequest
from services.common.event_log import Retention, append_call
from services.common.event_record import FIELD, Indexed, Parts, event_of, message_of
from services.common.watch_registry import parse_watches
from services.common.watch_room import WatchRoom
from services.common.watch_rules import check_watch, covers, hours_of
from services.query_gateway.events.filters import Wanted
from services.query_gateway.watches.admission import estimate
from services.query_gateway.watches.changes import WatchChanges
from tests.fuzz.damage import message_edit
from tests.fuzz.target import Target
from tests.support.event_messages import closed, note, opened, updated
from tests.support.watches import changes, choices, diary, number, rate, yes_no

LOBBY = Camera(id="lobby", labels={"area": "ward"})
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def _said(error: InvalidInput) -> str:
    return "".join(c for c in str(error) if not c.isdigit())[:60]


def _all() -> list[Watch]:
    whole = yes_no(labels="area in (ward, hall)", display_name="Fall", sinks=["phone"])
    whole.labels["team"] = "care"
    whole.hours.time_zone = "Europe/Berlin"
    whole.hours.spans.add(days=[1, 7], start_minute=1320, end_minute=360)
    whole.trigger.hold.FromSeconds(5)
    whole.every.FromMilliseconds(500)
    whole.created.FromMilliseconds(1_700_000_000_000)
    return [whole, choices(), changes(), number(), rate(), diary()]


def _watches() -> list[bytes]:
    return [WatchServiceCreateRequest(watch=watch).SerializeToString() for watch in _all()]


def _read_watch(data: bytes) -> str:
    try:
        watch = WatchServiceCreateRequest.FromString(data).watch
    except DecodeError:
        return "no message"
    try:
        check_watch(watch)
    except InvalidInput as error:
        return _said(error)
    watch.created.FromMilliseconds(1)  # whatever a client says: the gateway's clock counts
    assert math.isfinite(estimate(watch, [LOBBY]).per_second)
    watch_of(watch)
    if watch.HasField("hours"):
        hours = hours_of(watch.hours)
        hours.covers(NOON)
        assert read_hours(str(hours), "hours") == hours
    return f"{watch.WhichOneof('form')} {covers(watch, LOBBY)}"


def _updates() -> list[bytes]:
    request = WatchServiceUpdateRequest(watch=_all()[0])
    request.update_mask.paths.extend(["text", "trigger.hold", "labels", "yes_no", "hours.spans"])
    return [request.SerializeToString()]


def _read_update(data: bytes) -> str:
    try:
        request = WatchServiceUpdateRequest.FromString(data)
    except DecodeError:
        return "no message"
    before = _all()[0]
    try:
        after = WatchChanges.read(request).applied_to(before)
        check_watch(after)
    except InvalidInput as error:
        return _said(error)
    assert (after.id, after.created) == (before.id, before.created)
    assert after == before or after.version == before.version + 1
    return f"version {after.version}"


def _events() -> list[bytes]:
    messages = (opened(), updated(sentence="A person lies there."), closed(), note())
    return [message.SerializeToString() for message in messages]


def _read_event(data: bytes) -> str:
    event = message_of({FIELD.encode(): data})
    parse_watches({b"fall": data}, set())
    WatchRoom.parse(data)
    Indexed.parse(data)
    if event is None:
        return "no event"
    try:
        append_call(event, Retention())
        client_event_of(event)
    except InvalidInput as error:
        return _said(error)
    parts = Parts.of(event)
    record = {
        "event": parts.event,
        "sentence": parts.sentence,
        "frames": parts.frames_without_pictures,
        "sequence": b"3",
    }
    kept = event_of(record)
    assert kept is not None
    assert (kept.id, kept.sequence, kept.sentence) == (event.id, 3, event.sentence)
    assert not any(frame.picture for frame in kept.evidence)
    return f"type {event.type} {len(event.evidence)}"


def _filters() -> list[bytes]:
    filter_ = EventFilter(watch_ids=["fall"], at_least="SEVERITY_WARNING", only_open=True)
    filter_.cameras.labels = "area=ward"
    filter_.opened_after.FromMilliseconds(1_600_000_000_000)
    return [EventServiceListRequest(filter=filter_, limit=7).SerializeToString(), b""]


def _read_filter(data: bytes) -> str:
    try:
        request = EventServiceListRequest.FromString(data)
    except DecodeError:
        return "no message"
    try:
        wanted = Wanted.read(request.filter)
    except InvalidInput as error:
        return _said(error)
    return f"{[wanted.accepts(event, {'lobby': LOBBY}) for event in (opened(), closed(), note())]}"


def _read_texts(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    try:
        seconds = read_duration(text, "for")
        assert math.isclose(read_duration(duration_text(seconds), "for"), seconds, abs_tol=1e-3)
        return "a duration"
    except InvalidInput:
        pass
    try:
        hours = read_hours(text, "hours")
    except InvalidInput as error:
        return _said(error)
    hours.covers(NOON)
    assert read_hours(str(hours), "hours") == hours
    return f"{len(hours.spans)} spans"


WATCHES = Target("watches", _watches, _read_watch, (message_edit(WatchServiceCreateRequest),))
CHANGES = Target(
    "watch-updates", _updates, _read_update, (message_edit(WatchServiceUpdateRequest),)
)
EVENTS = Target("events", _events, _read_event, (message_edit(type(opened())),))
FILTERS = Target("event-filters", _filters, _read_filter, (message_edit(EventServiceListRequest),))
HOURS = Target(
    "hours",
    lambda: [
        b"Mon-Fri 08:00-18:00 Europe/Berlin",
        b"Mon+Wed 8:00-12:00, Sat-Sun 22:00-24:00 America/New_York",
        b"1h30m5s500ms",
    ],
    _read_texts,
    words=(*(b"Mon", b"-", b"+", b",", b":", b" ", b"UTC", b"24:00", b"../", b"\0", b"9" * 400),),
)
