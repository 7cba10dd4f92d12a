"""Scenes are drawn from a seed, and their script is the truth."""

from __future__ import annotations

import numpy as np

from hermes.demo.scenes import COLOURS, draw, make_scene


def test_the_same_seed_is_the_same_scene() -> None:
    assert make_scene("lobby", 1) == make_scene("lobby", 1)
    assert make_scene("lobby", 1) != make_scene("lobby", 2)
    assert make_scene("lobby", 1).actors != make_scene("dock", 1).actors


def test_an_actor_is_where_the_script_says() -> None:
    scene = make_scene("lobby", 3)
    actor = scene.actors[0]
    middle = (actor.enters + actor.leaves) / 2
    place = actor.position(middle)
    assert place is not None
    assert actor in scene.visible(middle)
    assert actor.position(actor.leaves) is None
    picture = np.asarray(draw(scene, middle, 200))
    x, y = round(place[0] * 200), round(place[1] * 200)
    others = [a for a in scene.visible(middle) if a is not actor]
    if not others:
        assert tuple(picture[y, x]) == COLOURS[actor.colour]


def test_night_falls_and_the_sign_counts() -> None:
    scene = make_scene("lobby", 4)
    day = np.asarray(draw(scene, 0.0)).mean()
    night = np.asarray(draw(scene, scene.duration - 0.1)).mean()
    assert night < day / 2
    assert scene.sign(0.0) == 0
    assert scene.sign(scene.duration) == len(scene.actors)
