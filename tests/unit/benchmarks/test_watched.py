"""Watched streams with a real memory: what happens is told, once, also by those who take over."""

from __future__ import annotations

import pytest

from benchmarks.watched.__main__ import RULES, play
from benchmarks.watched.owners import told_by
from benchmarks.watched.stage import Happening, Stage
from benchmarks.watched.told import Score, score

SEED = 1


def stages(seconds: int, happenings: list[Happening]) -> list[Stage]:
    """Cameras that show these. One with none shows none."""
    cameras = sorted({one.camera_id for one in happenings})
    return [
        Stage(
            camera, seconds, SEED, happenings=[one for one in happenings if one.camera_id == camera]
        )
        for camera in cameras
    ]


def scored(seconds: int, happenings: list[Happening], kill_every: int = 0) -> Score:
    cameras, kills = play(stages(seconds, happenings), seconds, kill_every, SEED)
    assert bool(kills) == bool(kill_every)
    told, wrong = told_by(cameras)
    assert wrong == 0
    return score(told, happenings, RULES)


def test_events_of_cameras_that_are_asked_in_one_pass() -> None:
    found = scored(14, [Happening("night", "a", 4, 9), Happening("colour", "b", 3, 12)])
    assert (found.events, found.twice, found.delays) == (2, 0, (0, 0))


@pytest.mark.slow
@pytest.mark.parametrize("kill_every", [0, 20])
def test_a_minute_of_four_cameras(kill_every: int) -> None:
    """Who is without an owner for a while tells late, and yet once."""
    found = scored(
        60,
        [
            Happening("night", "a", 10, 30),
            Happening("sign", "b", 12, 40),
            Happening("colour", "c", 10, 40),
            Happening("count", "d", 14, 45),
        ],
        kill_every,
    )
    assert (found.events, found.twice, len(found.delays)) == (4, 0, 4)
    assert kill_every or found.delay(100) <= 2
