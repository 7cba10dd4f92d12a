"""Which cameras are added, changed, removed and left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from hermes.client import HermesClient, Picture
from hermes.client.requests import add_request
from hermes.v1.camera_pb2 import Camera
from services.cli.config import CameraConfig
from services.cli.roster import Plan, Roster, plan


def camera(id: str, url: str = "rtsp://h/1", **options: float | bool | str) -> Camera:
    return add_request(
        id,
        url,
        float(options.get("fps", 0)),
        int(options.get("frames", 0)),
        None,
        "live" if options.get("live") else "default",
        bool(options.get("loop", False)),
        Picture(rotate=90) if options.get("turned") else None,
    ).camera


def planned(wanted: list[Camera], there: list[Camera], dropped: tuple[str, ...] = ()) -> Plan:
    for one in there:
        one.created.FromSeconds(1)
    return plan(wanted, {one.id: one for one in there}, dropped)


def test_everything_is_new() -> None:
    assert planned([camera("a"), camera("b")], []) == Plan(("a", "b"), {}, (), (), ())


def test_as_before_is_left_alone() -> None:
    assert planned([camera("a", fps=2)], [camera("a", fps=2)]) == Plan((), {}, (), ("a",), ())


def test_what_changed_is_named() -> None:
    there = [camera("a"), camera("b"), camera("c"), camera("d", frames=4), camera("e")]
    wanted = [
        camera("a", "rtsp://h/2", fps=1),
        camera("b", live=True),
        camera("c", loop=True),
        camera("d"),
        camera("e", turned=True),
    ]
    assert planned(wanted, there).changed == {
        "a": "URL, fps",
        "b": "pacing",
        "c": "loop",
        "d": "chunks",
        "e": "picture",
    }


def test_a_label_or_a_name_that_changed_leaves_memory() -> None:
    wanted = [camera("a"), camera("b"), camera("c", "rtsp://h/2"), camera("d")]
    there = [camera("a"), camera("b"), camera("c"), camera("d")]
    for number, one in enumerate(there):
        one.labels["site"] = str(number)
        one.display_name = "Dock"
    wanted[3].labels["site"] = "3"
    wanted[3].display_name = "Dock"
    found = planned(wanted, there)
    assert found.updated == {"a": "labels, display name", "b": "labels, display name"}
    assert (found.changed, found.as_before) == ({"c": "URL"}, ("d",))


class Calls:
    """A client that records what it is called to do."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, dict[str, str], str]] = []

    def add_camera(self, id: str, url: str, **options: Any) -> None:
        self.made.append(("add", id, dict(options["labels"]), options["display_name"]))

    def update_camera(self, id: str, *, labels: Mapping[str, str], display_name: str) -> None:
        self.made.append(("update", id, dict(labels), display_name))

    def remove_camera(self, id: str) -> None:
        self.made.append(("remove", id, {}, ""))


def test_labels_that_the_file_gives_are_made_so_and_others_stay() -> None:
    there = {}
    for id in ("said", "silent", "cleared", "moved"):
        there[id] = camera(id)
        there[id].labels["by"] = "api"
        there[id].display_name = "Dock"
    wanted = [
        CameraConfig(id="said", url="rtsp://h/1", labels={"site": "dock"}),
        CameraConfig(id="silent", url="rtsp://h/1"),
        CameraConfig(id="cleared", url="rtsp://h/1", labels={}, display_name=""),
        CameraConfig(id="moved", url="rtsp://h/2"),
        CameraConfig(id="new", url="rtsp://h/1", labels={"site": "yard"}),
    ]
    calls, said = Calls(), list[str]()
    client = cast(HermesClient, calls)
    Roster(wanted, frozenset(), None, None).apply(client, there, said.append)
    assert calls.made == [
        ("add", "new", {"site": "yard"}, ""),
        ("remove", "moved", {}, ""),
        ("add", "moved", {"by": "api"}, "Dock"),
        ("update", "said", {"site": "dock"}, "Dock"),
        ("update", "cleared", {}, ""),
    ]
    assert said == [
        "camera new: added",
        "camera moved: URL changed: its memory begins anew",
        "camera said: labels changed: it keeps its memory",
        "camera cleared: labels, display name changed: it keeps its memory",
        "as before, with what they remember: silent",
    ]


def test_only_what_the_file_named_once_is_removed() -> None:
    there = [camera("a"), camera("old"), camera("api")]
    found = planned([camera("a")], there, ("a", "old", "never"))
    assert (found.removed, found.others, found.as_before) == (("old",), ("api",), ("a",))
