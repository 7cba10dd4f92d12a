"""Scenes are made from a seed, and drawn as their script says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.demo.drawing import INKS, draw, play
from hermes.demo.questions import Moment, story
from hermes.demo.scenes import HELD_OUT, LANES, MOST_ACTORS, TRAINED, make_scene
from tests.support.examples import at_most

seeds = st.integers(0, 2**32)


def test_the_same_seed_is_the_same_scene() -> None:
    assert make_scene("lobby", 1) == make_scene("lobby", 1)
    assert make_scene("lobby", 1) != make_scene("lobby", 2)
    assert make_scene("lobby", 1).actors != make_scene("dock", 1).actors


@given(seeds, st.sampled_from([0.25, 1.0, 2.0]), st.integers(8, 120))
@settings(max_examples=at_most(60), deadline=None)
def test_nothing_is_missed_between_two_pictures(seed: int, step: float, frames: int) -> None:
    """Whatever happens lasts longer than a step: a stream sees every object, sign and colour."""
    scene = make_scene("stream", seed, frames * step, step=step)
    times = [index * step for index in range(frames + 1)]
    whole = [
        {actor.look_at(t) for t in times if actor.position(t) and not actor.crossing(t)}
        for actor in scene.actors
    ]
    inside = [actor for actor in scene.actors if actor.leaves <= times[-1]]
    for actor, looks in zip(scene.actors, whole, strict=True):
        assert actor not in inside or looks == set(actor.looks_until(actor.leaves - 1e-6))
    for (since, _), (until, _) in zip(scene.sign, scene.sign[1:], strict=False):
        assert until - since > step
    assert 0 < len(scene.actors) <= MOST_ACTORS


@given(seeds)
@settings(max_examples=at_most(60), deadline=None)
def test_objects_never_overlap(seed: int) -> None:
    scene = make_scene("stream", seed, 24.0)
    for time in range(24):
        lanes = [actor.lane for actor in scene.visible(time)]
        assert len(lanes) == len(set(lanes)) <= LANES


@given(seeds)
@settings(max_examples=at_most(60), deadline=None)
def test_every_object_has_a_look_of_its_own(seed: int) -> None:
    scene = make_scene("stream", seed, 24.0, looks=TRAINED)
    looks = [look for actor in scene.actors for look in actor.looks_until(24.0)]
    assert len(looks) == len(set(looks))
    assert not HELD_OUT & set(looks)


def test_an_object_is_drawn_where_the_script_says() -> None:
    shown = 0
    for seed in range(20):
        scene = make_scene("lobby", seed)
        for actor in scene.actors:
            time = (actor.enters + actor.leaves) / 2
            place = actor.position(time)
            assert place is not None
            assert actor in scene.visible(time)
            assert actor.position(actor.leaves) is None
            picture = np.asarray(draw(scene, time, 200))
            x, y = round(place[0] * 200), round(place[1] * 200)
            assert tuple(picture[y, x]) == INKS[actor.look_at(time).colour]
            shown += 1
    assert shown > 20


def test_night_falls() -> None:
    scene = next(scene for scene in (make_scene("lobby", n) for n in range(50)) if scene.night_from)
    assert scene.night_from is not None
    day = np.asarray(draw(scene, max(0.0, scene.night_from - 2))).mean()
    night = np.asarray(draw(scene, scene.night_from + 2)).mean()
    assert night < day / 2
    assert not scene.night(scene.night_from - 0.1)
    assert scene.night(scene.night_from)


def test_day_breaks_again() -> None:
    scene = replace(make_scene("lobby", 1), night_from=10.0, night_until=20.0)
    times = (9.0, 15.0, 21.0)
    assert [scene.night(time) for time in times] == [False, True, False]
    assert [scene.settled(time) for time in (9.8, 19.8)] == [False, False]
    day, night, again = (np.asarray(draw(scene, time))[0, 0].tolist() for time in times)
    assert day == again != night
    lights = [story(Moment(scene, time)).rpartition(", ")[2] for time in times]
    assert lights == ["day", "day then night", "day then night then day"]


@pytest.mark.parametrize("number", range(1, 10))
def test_every_number_looks_different(number: int) -> None:
    pictures: dict[int, np.ndarray] = {}
    for seed in range(400):
        scene = make_scene("sign", seed)
        _, shown = scene.sign[0]
        pictures.setdefault(shown, np.asarray(draw(scene, 0.0, 64))[1:15, 17:31].mean(axis=2) > 100)
    assert set(pictures) == set(range(1, 10))
    others = [lit for shown, lit in pictures.items() if shown != number]
    assert all((pictures[number] != lit).sum() >= 2 for lit in others)


def test_a_film_has_all_its_pictures() -> None:
    pictures = list(play(make_scene("lobby", 1, 3.0), fps=4, size=32))
    assert len(pictures) == 12
    assert all(p.shape == (32, 32, 3) and p.dtype == np.uint8 for p in pictures)
