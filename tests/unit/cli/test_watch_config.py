"""Watches in hermes.yaml, and each fault with its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hermes.client import Above, Number, Trigger, Watch, WatchState
from services.cli.config import read_config, read_config_file
from services.cli.watch_roster import WatchRoster

GOOD = """\
watches:
  - id: fall
    question: Is anybody lying on the floor?
    label: area=ward
    above: 0.8
    clear: 0.6
    for: 5s
    cooldown: 2m
    severity: critical
    labels: {team: care}
    hours: Mon-Fri 08:00-18:00 Europe/Berlin
  - id: queue
    question: How many people stand in the queue?
    cameras: [till-1, till-2]
    number: {least: 0, most: 50}
    above: 10
  - {id: gate, question: "Open?", cameras: yard, choices: ["yes", "no"], equals: "yes"}
  - {id: day, question: "What happened?", label: shop, diary: 10m}
  - {id: door, question: "Is it open?", cameras: door, sinks: phone, paused: true}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hermes.yaml"
    path.write_text(text)
    return path


def test_watches_are_read(tmp_path: Path) -> None:
    watches = [one.watch() for one in read_config(written(tmp_path, GOOD)).watches]
    fall, queue, *others = watches
    assert fall.trigger == Trigger(Above(0.8, 0.6), 5, 120)
    assert (fall.selector, fall.severity, fall.labels) == (
        "area=ward",
        "critical",
        {"team": "care"},
    )
    assert (queue.form, queue.camera_ids) == (Number(0, 50), ("till-1", "till-2"))
    assert [watch.id for watch in others] == ["gate", "day", "door"]
    assert (others[2].sinks, others[2].paused) == (("phone",), True)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("for: 5s", "for: 5"), "line 7, column 10: watches.0.for: is no text: write it in quotes"),
        (("for: 5s", "for: 5y"), "line 7, column 10: watches.0.for: '5y' is no duration"),
        (("above: 10", "above: 60"), "line 16, column 12: watches.1.above: is more than the most"),
        (("above: 0.8", "abv: 0.8"), "line 5, column 10: watches.0.abv: Extra inputs"),
        (("clear: 0.6", "clear: 0.9"), "line 6, column 12: watches.0.clear: must not be above"),
        (('equals: "yes"', "equals: maybe"), "watches.2.equals: 'maybe' is none of the choices"),
        (("area=ward", "area in"), "line 4, column 12: watches.0.label: at character"),
        (("Europe/Berlin", "Europe/X"), "line 11, column 12: watches.0.hours: 'Europe/X'"),
        (("team: care", "team: 2"), "line 10, column 20: watches.0.labels.team: the value is no"),
        (("[till-1, till-2]", "[till 1]"), "line 14, column 14: watches.1.cameras: must be 1 to"),
        (("id: queue", "id: fall"), "line 12, column 5: there is a watch fall already, at line 2"),
        (("question: Is anybody lying on the floor?", 'question: " "'), "watches.0.question: is"),
        (("severity: critical", "severity: grave"), "line 9, column 15: watches.0.severity"),
    ],
)
def test_a_fault_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], fault: str
) -> None:
    (found,) = read_config_file(written(tmp_path, GOOD.replace(*change))).faults
    assert fault in found


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("for: 5s", "for: 5").replace("above: 10", "above: 60")
    assert len(read_config_file(written(tmp_path, text)).faults) == 2


class FakeClient:
    """A gateway's watches, and what was done to them."""

    def __init__(self, *watches: Watch) -> None:
        self.watches = {watch.id: watch for watch in watches}
        self.calls: list[Any] = []

    def list_watches(self) -> list[WatchState]:
        return [WatchState(watch, 1, 0, "") for watch in self.watches.values()]

    def create_watch(self, watch: Watch) -> WatchState:
        self.watches[watch.id] = watch
        self.calls.append(("create", watch.id))
        return WatchState(watch, 0, 0, "no camera is registered by its ids")

    def update_watch(self, watch_id: str, **changes: Any) -> None:
        self.calls.append(("update", watch_id, changes))

    def delete_watch(self, watch_id: str) -> None:
        del self.watches[watch_id]
        self.calls.append(("delete", watch_id))


def applied(client: FakeClient, tmp_path: Path, *watches: Watch) -> list[str]:
    said: list[str] = []
    roster = WatchRoster(watches, Path("hermes.yaml"), tmp_path)
    roster.apply(client, said.append)  # type: ignore[arg-type]
    return said


def test_what_the_file_wants_is_done_and_said(tmp_path: Path) -> None:
    fall, gate = Watch("fall", "Is it?", ("a",)), Watch("gate", "Open?", ("b",))
    client = FakeClient(Watch("api", "Of the API?", ("c",)))
    assert applied(client, tmp_path, fall, gate) == [
        "watch fall: added: no camera is registered by its ids",
        "watch gate: added: no camera is registered by its ids",
    ]
    other = Watch("fall", "Was it?", ("a",))
    assert applied(client, tmp_path, other, gate) == [
        "watch fall: text changed",
        "watches as before: gate",
    ]
    assert client.calls[-1] == ("update", "fall", {"text": "Was it?"})
    client.watches["fall"] = replace(other, paused=True, version=3)  # by hermes watch pause
    assert applied(client, tmp_path, other, gate) == ["watches as before: fall, gate"]
    client.watches["fall"] = fall
    assert applied(client, tmp_path, fall) == [
        "watch gate: removed, as hermes.yaml names it no more",
        "watches as before: fall",
    ]
    assert applied(client, tmp_path) == ["watch fall: removed, as hermes.yaml names it no more"]
    assert list(client.watches) == ["api"]


def test_a_file_without_watches_asks_nothing(tmp_path: Path) -> None:
    client = FakeClient(Watch("api", "Of the API?", ("c",)))
    assert applied(client, tmp_path) == []
    assert client.calls == []
