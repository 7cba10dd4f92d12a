"""Which cameras are added, changed, removed and left alone."""

from __future__ import annotations

from hermes.client import Picture
from hermes.client.requests import add_request
from hermes.v1.camera_pb2 import Camera
from services.cli.roster import Plan, plan


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


def test_only_what_the_file_named_once_is_removed() -> None:
    there = [camera("a"), camera("old"), camera("api")]
    found = planned([camera("a")], there, ("a", "old", "never"))
    assert (found.removed, found.others, found.as_before) == (("old",), ("api",), ("a",))
