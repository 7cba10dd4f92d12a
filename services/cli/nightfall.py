"""The demo's watch: a camera over which night falls and day breaks, and the event of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hermes.client import Choices, Equals, Event, EventFilter, HermesClient, Trigger, Watch
from hermes.demo.scenes import TRAINED, make_scene
from services.cli.durations import shown_position
from services.cli.film import film
from services.cli.worlds import World

CAMERA = "porch"
DURATION_S = 7.0
"""It plays at the speed of a clock, and people wait for it."""
NIGHT_FROM_S, NIGHT_UNTIL_S = 3.2, 5.2
"""Between two frames that are looked at: each of them is clearly by day or by night."""
FRAMES_LATE = 2
"""How many frames after nightfall an event may open at the latest, and close after daybreak."""
WAIT_S = 20.0
LOOK_EVERY_S = 0.2

WATCH = Watch(
    "nightfall",
    "Is it day or night?",
    camera_ids=(CAMERA,),
    form=Choices(("day", "night")),
    trigger=Trigger(Equals(("night",), probability=0.8)),
    severity="info",
    heartbeat_s=0.5,
)


def dusk_world(seed: int, folder: Path) -> World:
    """A short world with one night in it, filmed into `folder`."""
    scene = make_scene(CAMERA, seed, DURATION_S, actors=2, looks=TRAINED)
    world = World(CAMERA, replace(scene, night_from=NIGHT_FROM_S, night_until=NIGHT_UNTIL_S))
    film(world.scene, folder / f"{CAMERA}.mp4")
    return world


@dataclass(frozen=True, slots=True)
class Sighting:
    """When an event opened and closed, in seconds of the film; None if it did not."""

    opened_s: float | None
    closed_s: float | None
    probability: float = 0.0

    def right(self, frames_per_second: float) -> bool:
        """Whether it opened with the night and closed with the day, within a frame or two."""
        late_s = FRAMES_LATE / frames_per_second
        return all(
            seen is not None and due <= seen <= due + late_s
            for seen, due in ((self.opened_s, NIGHT_FROM_S), (self.closed_s, NIGHT_UNTIL_S))
        )

    def line(self) -> str:
        """What became of it, for people."""
        if self.opened_s is None:
            return "no event opened"
        shown = shown_position(self.opened_s)
        told = f"opened at {shown} (night {self.probability:.0%}), with the frame of that moment"
        if self.closed_s is None:
            return f"{told}; still open"
        return f"{told}; closed at {shown_position(self.closed_s)}"


def truth() -> str:
    """What the record of its scene says, for people."""
    night, day = shown_position(NIGHT_FROM_S), shown_position(NIGHT_UNTIL_S)
    return f"night falls at {night}, day breaks at {day}"


def sighting_of(event: Event | None) -> Sighting:
    """What an event says about the film. Its first frame is the one that it began with."""
    if event is None or not event.evidence or not event.evidence[0].picture:
        return Sighting(None, None)
    opened_s = event.evidence[0].media_s
    if opened_s is None or event.closed is None:
        return Sighting(opened_s, None, event.peak)
    lasted = event.closed - event.opened
    return Sighting(opened_s, opened_s + lasted.total_seconds(), event.peak)


def the_event(
    client: HermesClient,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Event | None:
    """The watch's first event, once it is closed or `WAIT_S` are over; None if there is none."""
    deadline = clock() + WAIT_S
    while True:
        found = client.events(EventFilter(watch_ids=(WATCH.id,)))
        if (found and found[-1].closed is not None) or clock() > deadline:
            return client.get_event(found[-1].id) if found else None
        sleep(LOOK_EVERY_S)
