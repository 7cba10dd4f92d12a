"""Long scenes in which things go on happening: chapters, one after another."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

from hermes.demo.scenes import LOOKS, Actor, Look, Scene, make_scene

VISIT_S = 12.0
"""The longest that an object stays."""


def in_chapters(
    name: str,
    seed: int,
    duration: float,
    *,
    chapter_s: float,
    step: float = 1.0,
    looks: Collection[Look] = LOOKS,
) -> Scene:
    """A scene of `duration` seconds, in which one object comes by for a while in each chapter.

    No look occurs twice before all have; the sign and the light are those of the first chapter.
    """
    rng = random.Random(f"{name}:{seed}")
    unused: list[Look] = []
    actors: list[Actor] = []
    frame = make_scene(name, seed, chapter_s, step=step, actors=1, looks=looks)
    for number in range(int(duration / chapter_s)):
        if not unused:
            unused = list(looks)
            rng.shuffle(unused)
        chapter = make_scene(
            f"{name}/{number}", seed, VISIT_S * 1.25, step=step, actors=1, looks=looks
        )
        start = number * chapter_s + rng.uniform(0, chapter_s - VISIT_S * 1.25)
        actors += [
            replace(
                actor,
                look=unused.pop(),
                enters=start + actor.enters,
                leaves=start + actor.leaves,
                turns=None,
                second=None,
            )
            for actor in chapter.actors
        ]
    night = 0.0 if frame.night_from == 0.0 else None
    return replace(
        frame,
        duration=duration,
        actors=tuple(actors),
        sign=frame.sign[:1],
        night_from=night,
    )
