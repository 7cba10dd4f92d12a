"""Questions about a scene, with the one true answer that its record gives.

Answers are about everything from second 0 up to a moment. A kind of question is
asked only if it has exactly one answer.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from hermes.demo.scenes import COLOURS, LOOKS, MOST_ACTORS, SHAPES, Actor, Look, Scene

Tense = Literal["now", "past"]

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_THIRDS = (("left", 0.12, 0.30), ("middle", 0.37, 0.63), ("right", 0.70, 0.88))


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its true answer, and when its evidence was last seen (seconds).

    `kind` is a name of `KINDS`. `evidence`: the time after which no picture
    shows what the answer is based on; for questions about now, the present; None
    if it was never there.
    """

    kind: str
    text: str
    answer: str
    evidence: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """A scene up to a moment. `asked`: the looks that questions may mention."""

    scene: Scene
    time: float
    asked: tuple[Look, ...] = LOOKS

    @property
    def came(self) -> list[Actor]:
        """The objects that have appeared so far, in order."""
        return self.scene.came_by(self.time)

    @property
    def visible(self) -> list[Actor]:
        """The objects in the picture now."""
        return self.scene.visible(self.time)

    def looks_now(self) -> list[Look]:
        """The looks of the objects in the picture now."""
        return [actor.look_at(self.time) for actor in self.visible]

    def looks_ever(self) -> dict[Look, float]:
        """Every look that was seen, and when it was last seen."""
        found: dict[Look, float] = {}
        for actor in self.came:
            for look in actor.looks_until(self.time):
                gone = min(self.time, actor.leaves)
                if look != actor.look_at(gone) and actor.turns is not None:
                    gone = actor.turns
                found[look] = max(gone, found.get(look, 0.0))
        return found

    def changed(self) -> bool:
        """Whether an object has changed its colour."""
        return any(len(actor.looks_until(self.time)) > 1 for actor in self.came)


def _colour_now(at: Moment) -> Iterator[Question]:
    looks = at.looks_now()
    for shape in SHAPES:
        found = [look for look in looks if look.shape == shape]
        if len(found) == 1:
            text = f"What colour is the {shape}?"
            yield Question("colour-now", text, found[0].colour, at.time)


def _shape_now(at: Moment) -> Iterator[Question]:
    looks = at.looks_now()
    for colour in COLOURS:
        found = [look for look in looks if look.colour == colour]
        if len(found) == 1:
            text = f"What shape is the {colour} object?"
            yield Question("shape-now", text, found[0].shape, at.time)


def _count_now(at: Moment) -> Iterator[Question]:
    text = "How many objects are there now?"
    yield Question("count-now", text, NUMBERS[len(at.visible)], at.time)


def _where_now(at: Moment) -> Iterator[Question]:
    for actor in at.visible:
        look = actor.look_at(at.time)
        if look in at.asked and (third := _third(actor, at.time)):
            text = f"Where is the {look.colour} {look.shape}?"
            yield Question("where-now", text, third, at.time)


def _where_shape(at: Moment) -> Iterator[Question]:
    for shape in SHAPES:
        found = [actor for actor in at.visible if actor.look_at(at.time).shape == shape]
        if len(found) == 1 and (third := _third(found[0], at.time)):
            yield Question("where-shape", f"Where is the {shape}?", third, at.time)


def _third(actor: Actor, time: float) -> str | None:
    """Left, middle or right; None between two of them."""
    place = actor.position(time)
    for name, left, right in _THIRDS:
        if place is not None and left <= place[0] <= right:
            return name
    return None


def _light_now(at: Moment) -> Iterator[Question]:
    answer = "night" if at.scene.night(at.time) else "day"
    yield Question("light-now", "Is it day or night?", answer, at.time)


def _sign_now(at: Moment) -> Iterator[Question]:
    _, number = at.scene.signs_until(at.time)[-1]
    yield Question("sign-now", "What is on the sign?", NUMBERS[number], at.time)


def _first(at: Moment) -> Iterator[Question]:
    if at.came:
        first = at.came[0]
        seen = min(at.time, first.leaves if first.turns is None else first.turns)
        yield Question("first", "What came first?", named(first.look), seen)


def _last(at: Moment) -> Iterator[Question]:
    if at.came and len(at.came[-1].looks_until(at.time)) == 1:
        last = at.came[-1]
        seen = min(at.time, last.leaves)
        yield Question("last", "What came in last?", named(last.look), seen)


def _appeared(at: Moment) -> Iterator[Question]:
    seen = at.looks_ever()
    for look in at.asked:
        if look in seen:
            yield Question("appeared", f"Did {named(look)} appear?", "yes", seen[look])


def _not_appeared(at: Moment) -> Iterator[Question]:
    seen = at.looks_ever()
    for look in at.asked:
        alike = look.shape in {s.shape for s in seen} or look.colour in {s.colour for s in seen}
        if look not in seen and alike:
            yield Question("appeared", f"Did {named(look)} appear?", "no", None)


def _shape_appeared(at: Moment) -> Iterator[Question]:
    for shape in SHAPES:
        seen = [time for look, time in at.looks_ever().items() if look.shape == shape]
        if seen:
            yield Question("shape-appeared", f"Did a {shape} appear?", "yes", max(seen))


def _shape_not_appeared(at: Moment) -> Iterator[Question]:
    seen = {look.shape for look in at.looks_ever()}
    for shape in SHAPES:
        if seen and shape not in seen:
            yield Question("shape-appeared", f"Did a {shape} appear?", "no", None)


def _colour_past(at: Moment) -> Iterator[Question]:
    for shape in SHAPES:
        found = [actor for actor in at.came if actor.look.shape == shape]
        if len(found) == 1 and found[0].leaves <= at.time and found[0].turns is None:
            text = f"What colour was the {shape}?"
            yield Question("colour-past", text, found[0].look.colour, found[0].leaves)


def _came_by(least: int, most: int) -> Callable[[Moment], Iterator[Question]]:
    """How many objects of a shape appeared, if `least` to `most`, with their colours.

    For example `red, blue, two`.
    """

    def ask_it(at: Moment) -> Iterator[Question]:
        for shape in SHAPES:
            came = [actor for actor in at.came if actor.look.shape == shape]
            looks = [actor.look for actor in came]
            changed = any(len(actor.looks_until(at.time)) > 1 for actor in came)
            if at.came and not changed and least <= len(came) <= most:
                gone = [min(at.time, actor.leaves) for actor in came]
                colours = [colour for colour in COLOURS if Look(shape, colour) in looks]
                answer = ", ".join((*colours, NUMBERS[len(came)]))
                text = f"How many {shape}s came by?"
                yield Question("came-by", text, answer, min(gone, default=None))

    return ask_it


def _sign_past(at: Moment) -> Iterator[Question]:
    shown = at.scene.signs_until(at.time)
    if len(shown) == 2:  # with more changes, "before" would be ambiguous
        text = "What was on the sign before?"
        yield Question("sign-past", text, NUMBERS[shown[0][1]], shown[1][0])


KINDS: dict[str, tuple[Tense, tuple[Callable[[Moment], Iterator[Question]], ...]]] = {
    "colour-now": ("now", (_colour_now,)),
    "shape-now": ("now", (_shape_now,)),
    "count-now": ("now", (_count_now,)),
    "where-now": ("now", (_where_now,)),
    "where-shape": ("now", (_where_shape,)),
    "light-now": ("now", (_light_now,)),
    "sign-now": ("now", (_sign_now,)),
    "last": ("past", (_last,)),
    "first": ("past", (_first,)),
    "appeared": ("past", (_appeared, _not_appeared)),
    "shape-appeared": ("past", (_shape_appeared, _shape_not_appeared)),
    "colour-past": ("past", (_colour_past,)),
    "came-by": ("past", (_came_by(0, 0), _came_by(1, 1), _came_by(2, MOST_ACTORS))),
    "sign-past": ("past", (_sign_past,)),
}
"""Every kind of question: whether it is about now or the past, and its generators."""


def ask(kind: str, at: Moment, rng: random.Random) -> Question | None:
    """A question of this kind, or None if the scene has a certain answer to none.

    Different answers (yes and no, or numbers) are equally likely.
    """
    askers = list(KINDS[kind][1])
    rng.shuffle(askers)
    for asker in askers:
        if found := list(asker(at)):
            return rng.choice(found)
    return None


def named(look: Look) -> str:
    """`a red circle`."""
    return f"a {look.colour} {look.shape}"


def story(at: Moment) -> str:
    """The true summary: the objects in order of appearance, the sign, the light."""
    shown: list[str] = []
    for actor in at.came:
        shown += [named(look) for look in actor.looks_until(at.time)]
    signs = [NUMBERS[number] for _, number in at.scene.signs_until(at.time)]
    changes = [
        since
        for since in (0.0, at.scene.night_from, at.scene.night_until)
        if since is not None and since <= max(at.time, 0.0)
    ]
    lights = ("night" if at.scene.night(since) else "day" for since in changes)
    light = [one for one, _ in itertools.groupby(lights)]
    return ", ".join(" then ".join(part) for part in (shown or ["nothing"], signs, light))


def present(at: Moment) -> str:
    """The true description of the scene now: objects and where they are, the sign, the light."""
    there = []
    for actor in sorted(at.visible, key=lambda actor: actor.lane):
        place = actor.position(at.time)
        third = "left" if place is None or place[0] < 1 / 3 else "middle"
        third = "right" if place is not None and place[0] > 2 / 3 else third
        there.append(f"{named(actor.look_at(at.time))} {third}")
    _, number = at.scene.signs_until(at.time)[-1]
    light = "night" if at.scene.night(at.time) else "day"
    return ", ".join((*(there or ["nothing"]), NUMBERS[number], light))


def every(at: Moment) -> list[Question]:
    """Every question that has an answer at this moment, kind by kind."""
    return [found for _, askers in KINDS.values() for asker in askers for found in asker(at)]
