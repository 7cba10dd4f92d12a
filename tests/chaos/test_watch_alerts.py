"""Every alert about watches and sinks fires for a cause that is real, and ends with it.

As in test_alerts: a real Prometheus with the shipped rules, a minute of which is two seconds. Not
scaled are the lag of watches (5 s) and the twelve events of a flapping watch, whose hour is two
minutes.
"""

from __future__ import annotations

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
from tests.support.outages import slowed
from tests.support.pipeline import online
from tests.support.prometheus import need
from tests.support.webhook_receiver import OK, WebhookReceiver

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FACTOR = 30
BOUNDS = {"HermesWatchNotEvaluated": ("> 600", f"> {600 // FACTOR}")}
"""Sixty times the 10 s after which a watch is asked in any case; here the watches' heartbeat."""
MORE = ["dock", "street", "yard", "gate", "hall"]
"""Cameras beside the lobby, while a worker is too slow."""
SETTINGS = {
    "HERMES_REPLAY_WINDOW_S": "8",
    "HERMES_BUDGET_TOKENS": "96",
    "HERMES_MAX_CAMERAS": f"{1 + len(MORE)}",
    "HERMES_HAND_OVER_WAIT_S": "1",
}
QUESTION = "Is it day or night?"
ONCE = Trigger(Equals(("night",)))
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
SHARE = 0.15
"""Of each second a slowed worker runs."""


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
        add(fleet, "lobby")
        for one in (CIRCLE, NOTES):
            fleet.client.create_watch(one)
        watch_flaps(watch, away, strict)
        state_cannot_be_written(watch)
        worker_is_too_slow(watch)
        numbers_are_beyond_their_limits(watch)
        watch.until_over(but="")
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


def add(fleet: Fleet, *names: str, fps: float = 2.0) -> None:
    blinks = {"blinks": "yes"}
    for name in names:
        fleet.client.add_camera(
            name, "blink.mp4", pacing="live", loop=True, labels=blinks, frames_per_second=fps
        )
    for name in names:
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
        client.update_watch(NIGHT.id, trigger=replace(ONCE, hold_s=30.0))
        away.always = strict.always = OK
    watch.until('hermes_notifications_pending{sink="away"} == 0')


def state_cannot_be_written(watch: book.Watch) -> None:
    client, key = watch.fleet.redis, keys.watch_state("lobby")
    cause = "another program has overwritten the state of a camera's watches in Redis"
    with watch.scene(cause, "HermesWatchNotEvaluated") as scene:
        client.set(key, "no hash")
        scene.wait()
        client.delete(key)


def worker_is_too_slow(watch: book.Watch) -> None:
    """Nobody asks anything else: watches come after questions, and before frames."""
    fleet = watch.fleet
    cause = f"a worker with {1 + len(MORE)} cameras gets {SHARE:.0%} of a CPU"
    with watch.scene(cause, "HermesWatchLagHigh", "HermesWatchSkipped") as scene:
        add(fleet, *MORE, fps=4.0)
        with slowed([fleet.child("worker-1").process], SHARE):
            scene.wait()
        for name in MORE:
            fleet.client.remove_camera(name)
    fleet.until("lobby", online())


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
    with watch.scene("a watch expects a smaller number", "HermesWatchFailing") as scene:
        client.update_watch(COUNT.id, form=Number(least=0, most=10))
        scene.wait()
        client.update_watch(COUNT.id, form=COUNT.form)
