"""Every alert about watches and sinks fires for a cause that is real, and ends with it.

As in test_alerts: a real Prometheus with the shipped rules, a minute of which is two seconds. Not
scaled are the lag of watches (5 s) and the twelve events of a flapping watch, whose hour is two
minutes.
"""

from __future__ import annotations

import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from hermes.client import Above, Choices, Diary, Equals, Number, Trigger, Watch
from services.cli import redis_server
from services.common import keys
from tests.chaos.conftest import HANGS_S
from tests.support import painted
from tests.support import watch as book
from tests.support.fleet import Fleet, running
from tests.support.monitoring import (
    RECORDED,
    WATCH_ALERTS,
    WATCH_SERIES,
    dashboard_queries,
    filled_in,
)
from tests.support.nightfall import Film
from tests.support.notifiers import sinks_file, webhook
from tests.support.outages import again_and_again
from tests.support.pipeline import online
from tests.support.prometheus import need
from tests.support.webhook_receiver import OK, WebhookReceiver
from tests.support.workers import Feeder

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

FACTOR = 30
BOUNDS = {"HermesWatchNotEvaluated": ("> 600", f"> {600 // FACTOR}")}
"""Sixty times the 10 s after which a watch is asked in any case; here the watches' heartbeat."""
SETTINGS = {
    "HERMES_REPLAY_WINDOW_S": "8",
    "HERMES_BUDGET_TOKENS": "96",
    "HERMES_MAX_CAMERAS": "3",
    "HERMES_HAND_OVER_WAIT_S": "1",
}
QUESTION = "Is it day or night?"
ONCE = Trigger(Equals(("night",)))
RARE = replace(ONCE, hold_s=30.0)
"""Nothing in the film lasts so long."""
NIGHT = Watch(
    "night",
    QUESTION,
    selector="blinks",
    form=Choices(("day", "night")),
    trigger=ONCE,
    heartbeat_s=0.25,
)
CIRCLE = Watch(
    "circle",
    "Did a red circle appear?",
    selector="blinks",
    trigger=Trigger(Above(0.8)),
    heartbeat_s=0.25,
)
NOTES = Watch("notes", "What is happening now?", camera_ids=("lobby",), form=Diary(10.0))
COUNT = Watch(
    "count",
    "How many objects are there now?",
    camera_ids=("lobby",),
    form=Number(least=0),
    trigger=Trigger(Above(5.0)),
    heartbeat_s=1.0,
)
DARK_FRAMES = 20
"""How long a night of the film lasts, and a day: two seconds."""
TOO_MANY = 1e9
"""More than a number of a watch has digits for."""
LATE_S = 7.0
"""More than the 5 s of the alert, less than the 10 s after which a worker drops frames."""
MANY = 200
"""Watches of one camera, four times a second: more than a core can evaluate."""


def test_every_alert_of_watches_and_sinks_fires(folder: Path) -> None:
    need("prometheus")
    blinking(folder / "media" / "blink.mp4")
    with (
        running(folder, 1, redis_server.start, **SETTINGS) as fleet,
        book.watching(fleet, folder / "prometheus", FACTOR, BOUNDS) as watch,
        WebhookReceiver() as away,
        WebhookReceiver() as strict,
    ):
        sinks = sinks_file(
            folder / "sinks", webhook("away", away.url), webhook("strict", strict.url)
        )
        watch.start("worker-1", "decoder-1", "gateway-1")
        watch.start("notifier-1", sinks=sinks)
        add(fleet, "lobby", fps=2.0, labels={"blinks": "yes"})
        for one in (CIRCLE, NOTES):
            fleet.client.create_watch(one)
        watch_flaps(watch, away, strict)
        state_cannot_be_written(watch)
        frames_come_late(watch)
        camera_brings_too_many_watches(watch)
        numbers_are_beyond_their_limits(watch)
        watch.until_over()
        print(f"\n{watch.table()}")

        assert {alert for scene in watch.scenes for alert in scene.alerts} == WATCH_ALERTS
        queries = {name: name for name in RECORDED}
        queries |= {where: filled_in(expr, "lobby") for where, expr in dashboard_queries()}
        ours = {where: expr for where, expr in queries.items() if WATCH_SERIES.search(expr)}
        assert [where for where, expr in ours.items() if not watch.ever(expr)] == []


def blinking(path: Path) -> None:
    """A film of which day and night last two seconds each."""
    film = Film()
    shown = [
        *(film.day(number) for number in range(DARK_FRAMES)),
        *(film.night(number) for number in range(DARK_FRAMES)),
    ]
    pictures = (np.asarray(Image.open(BytesIO(jpeg)).convert("RGB")) for jpeg in shown)
    painted.write(
        path, [VideoFrame.from_ndarray(one).reformat(format="yuv420p") for one in pictures]
    )


def add(fleet: Fleet, name: str, fps: float, labels: dict[str, str]) -> None:
    fleet.client.add_camera(
        name, "blink.mp4", pacing="live", loop=True, labels=labels, frames_per_second=fps
    )
    fleet.until(name, online())


def watch_flaps(watch: book.Watch, away: WebhookReceiver, strict: WebhookReceiver) -> None:
    """Meanwhile one sink's receiver is down, and another one refuses its messages."""
    client = watch.fleet.client
    away.always, strict.always = 503, 410
    with (
        watch.scene("a camera blinks, and its watch opens at once", "HermesWatchFlapping") as flaps,
        watch.scene("a sink's receiver answers 503", "HermesSinkBehind") as behind,
        watch.scene("a sink's receiver answers 410", "HermesDeadLetters") as refused,
    ):
        client.create_watch(NIGHT)
        client.ask("lobby", QUESTION, choices=("day", "night"), timeout=20).result()
        for scene in (refused, behind, flaps):
            scene.wait()
        client.update_watch(NIGHT.id, trigger=RARE)
        away.always = strict.always = OK
    watch.until('hermes_notifications_pending{sink="away"} == 0')


def state_cannot_be_written(watch: book.Watch) -> None:
    client, key = watch.fleet.redis, keys.watch_state("lobby")
    cause = "another program has overwritten the state of a camera's watches in Redis"
    with watch.scene(cause, "HermesWatchNotEvaluated") as scene:
        client.set(key, "no hash")
        scene.wait()
        client.delete(key)


def frames_come_late(watch: book.Watch) -> None:
    """As from a decoder that waits for its disk: a stand-in writes them."""
    fleet, picture = watch.fleet, Film().day(1)
    watch.end("decoder-1")  # it would take the camera over
    feeder = Feeder(fleet.redis, "late")

    def push() -> None:
        feeder.push(first_ms=round(1000 * (time.time() - LATE_S)), pictures=[picture])

    cause = f"a camera's frames are in the log {LATE_S:g} s after their capture"
    with (
        watch.scene(cause, "HermesWatchLagHigh") as scene,
        again_and_again(push, 0.5),
    ):
        fleet.client.update_watch(CIRCLE.id, selector="", camera_ids=("lobby", "late"))
        scene.wait()
    fleet.client.update_watch(CIRCLE.id, camera_ids=("lobby",))
    fleet.client.remove_camera("late")
    watch.start("decoder-1")
    fleet.until("lobby", online())


def camera_brings_too_many_watches(watch: book.Watch) -> None:
    """They are of a label that no camera has yet, so the gateway admits them."""
    fleet = watch.fleet
    crowd = [replace(NIGHT, id=f"crowd-{n}", selector="crowd", trigger=RARE) for n in range(MANY)]
    for one in crowd:
        fleet.client.create_watch(one)
    cause = f"a camera gets a label that {MANY} watches mean"
    with watch.scene(cause, "HermesWatchSkipped") as scene:
        add(fleet, "hall", fps=4.0, labels={"crowd": "yes"})
        scene.wait()
        for one in crowd:
            fleet.client.delete_watch(one.id)
        fleet.client.remove_camera("hall")


def numbers_are_beyond_their_limits(watch: book.Watch) -> None:
    """The demo's model knows no digits; the other one writes some, at random."""
    fleet, client = watch.fleet, watch.fleet.client
    watch.end("worker-1")
    fleet.start("worker-2")
    announced = fleet.child("worker-2").ready()
    assert announced is not None
    watch.scrape("worker-2", int(announced["metrics_port"]))
    fleet.until("lobby", online())
    client.create_watch(COUNT)
    watch.until('hermes_watch_evaluations_total{watch="count",outcome="read"} > 0')
    with watch.scene("a watch's numbers are beyond its limits", "HermesWatchFailing") as scene:
        client.update_watch(COUNT.id, form=Number(least=TOO_MANY), trigger=Trigger(Above(TOO_MANY)))
        scene.wait()
        client.update_watch(COUNT.id, form=COUNT.form, trigger=COUNT.trigger)
