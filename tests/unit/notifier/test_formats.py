"""Events in each sink's format, against files of what receivers get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermes.v1.event_pb2 import EVENT_TYPE_NOTE, Event
from services.notifier.alerts import alert, alert_labels
from services.notifier.cloud_event import cloud_event
from services.notifier.mqtt_payloads import Topics, discoveries, event_payload, picture, state
from tests.support import events

GOLDEN = Path(__file__).parent / "golden"
LINK = "https://hermes.example/events/{event}?camera={camera}"
TOPICS = Topics("hermes", "homeassistant")


def note() -> Event:
    event = events.opened(watch="diary", camera="yard", answer="The yard is empty.")
    event.type = EVENT_TYPE_NOTE
    event.closed.CopyFrom(event.opened)
    return event


def formats() -> dict[str, Any]:
    first = events.opened()
    sentence, last = events.updated(first), events.closed(first)
    many = events.opened(watch="queue", camera="till.1")
    many.value = many.peak = 12
    ends_ms = last.closed.ToMilliseconds()
    return {
        "cloud_event_opened": cloud_event(events.message(first), "/hermes", 1 << 20),
        "cloud_event_closed": cloud_event(events.message(last), "urn:site:7/", 0),
        "cloud_event_note": cloud_event(events.message(note()), "/hermes", 0),
        "alert_open": alert(sentence, LINK),
        "alert_closed": alert(last, "", ends_ms),
        "mqtt_new": event_payload("opened", first, None, over=False, was_over=False),
        "mqtt_end": event_payload("closed", last, sentence, over=True, was_over=False),
        "mqtt_state_open": state(sentence, over=False),
        "mqtt_state_note": state(note(), over=True),
        "mqtt_discovery_yes_no": discoveries(first, TOPICS, number=False),
        "mqtt_discovery_number": discoveries(many, TOPICS, number=True),
        "mqtt_discovery_note": discoveries(note(), TOPICS, number=False),
    }


@pytest.mark.parametrize("name", formats())
def test_a_format_is_as_its_file_says(name: str) -> None:
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    assert json.loads(json.dumps(formats()[name])) == expected


def test_there_is_no_file_without_a_format() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(formats())


def test_pictures_beyond_the_bound_are_left_out_and_counted() -> None:
    first = events.opened()
    first.evidence.add(picture=b"x" * 100)
    first.evidence.add(picture=b"y" * 10)
    data = cloud_event(events.message(first), "/hermes", len(events.PICTURE) + 50)["data"]
    assert [bool(frame["picture"]) for frame in data["evidence"]] == [True, False, True]
    assert data["picturesLeftOut"] == 1
    assert first.evidence[1].picture, "the message itself keeps its pictures"


def test_labels_of_a_watch_hide_nothing_in_an_alert() -> None:
    event = events.opened()
    event.labels.clear()
    event.labels.update(
        {"camera": "x", "severity": "y", "site.example/floor-no": "2", "7th": "z", "none": ""}
    )
    assert alert_labels(event) == {
        "alertname": "fall",
        "camera": "ward-3",
        "severity": "critical",
        "hermes_camera": "x",
        "hermes_severity": "y",
        "site_example_floor_no": "2",
        "hermes_7th": "z",
    }


def test_an_alert_has_the_same_labels_from_first_to_last() -> None:
    first = events.opened()
    assert alert_labels(first) == alert_labels(events.closed(first))


def test_home_assistant_keeps_pairs_apart_whose_names_look_alike() -> None:
    pairs = (("a_b", "c"), ("a", "b_c"), ("a.b", "c"))
    topics = {
        topic
        for watch, camera in pairs
        for topic in discoveries(events.opened(watch=watch, camera=camera), TOPICS, number=False)
    }
    assert len(topics) == 3
    assert all(len(topic.split("/")) == 4 for topic in topics)


def test_the_picture_is_that_of_the_first_frame_that_has_one() -> None:
    event = Event()
    assert picture(event) == b""
    event.evidence.add()
    event.evidence.add(picture=b"second")
    assert picture(event) == b"second"
