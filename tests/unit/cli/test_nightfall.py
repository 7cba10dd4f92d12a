"""The demo's watch: its world, and its event against the record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hermes.client import Event, HermesClient
from hermes.demo.scenes import TRAINED, make_scene
from services.cli import nightfall
from services.cli.nightfall import NIGHT_FROM_S, NIGHT_UNTIL_S, Sighting, sighting_of, the_event

FPS = 2.0
BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)


def event(opened_s: float | None, lasted_s: float | None, picture: bytes = b"\xff\xd8") -> Event:
    closed = None if lasted_s is None else BEGAN + timedelta(seconds=lasted_s)
    frame = SimpleNamespace(media_s=opened_s, picture=picture)
    given = SimpleNamespace(id="e", opened=BEGAN, closed=closed, peak=0.97, evidence=(frame,))
    return cast(Event, given)


def test_night_falls_and_ends_between_two_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    filmed: list[Any] = []
    monkeypatch.setattr(nightfall, "film", lambda scene, path: filmed.append((scene, path.name)))
    world = nightfall.dusk_world(1, Path("media"))
    assert filmed == [(world.scene, "porch.mp4")]
    frames = [number / FPS for number in range(int(world.scene.duration * FPS))]
    nights = [time for time in frames if world.scene.night(time)]
    assert nights == [3.5, 4.0, 4.5, 5.0]
    assert world.scene.actors == make_scene("porch", 1, 7.0, actors=2, looks=TRAINED).actors


@pytest.mark.parametrize(
    ("opened_s", "closed_s", "right"),
    [
        (3.5, 5.5, True),
        (4.0, 6.0, True),
        (3.0, 5.5, False),  # before the night
        (4.5, 5.5, False),
        (3.5, 6.5, False),
        (3.5, None, False),
        (None, None, False),
    ],
)
def test_a_frame_or_two_late_is_right(
    opened_s: float | None, closed_s: float | None, right: bool
) -> None:
    assert Sighting(opened_s, closed_s).right(FPS) is right


def test_an_event_in_seconds_of_the_film() -> None:
    found = sighting_of(event(3.5, 2.0))
    assert (found.opened_s, found.closed_s, found.probability) == (3.5, 5.5, 0.97)
    assert found.line() == (
        "opened at 0:03.5 (night 97%), with the frame of that moment; closed at 0:05.5"
    )
    assert sighting_of(event(3.5, None)).line().endswith("; still open")
    for nothing in (None, event(3.5, 2.0, picture=b"")):
        assert sighting_of(nothing).line() == "no event opened"


def test_the_wait_ends_with_the_event_or_with_the_time() -> None:
    now, found = 0.0, [event(3.5, None)]

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now >= 5 and found:
            found[:] = [event(3.5, 2.0)]

    client = cast(
        HermesClient,
        SimpleNamespace(events=lambda filter_: list(found), get_event=lambda event_id: found[-1]),
    )
    seen = the_event(client, clock=lambda: now, sleep=sleep)
    assert seen is not None
    assert seen.closed is not None
    assert 5 <= now < 6
    found.clear()
    assert the_event(client, clock=lambda: now, sleep=sleep) is None
    assert now > nightfall.WAIT_S


def test_the_record_is_said_in_words() -> None:
    assert (NIGHT_FROM_S, NIGHT_UNTIL_S) == (3.2, 5.2)
    assert nightfall.truth() == "night falls at 0:03.2, day breaks at 0:05.2"
