"""Every alert fires for a cause that is real, and ends with it, under a real Prometheus.

Those about watches and sinks are in test_watch_alerts.

A minute of the rules is two seconds here, and so is one of the settings that they are made
for: checkpoints. What is not a setting takes its time: a lease lasts for 10 s, and frames of a live
camera are dropped after 10 s.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from hermes.client import HermesClient
from hermes.errors import Unauthenticated
from services.cli import redis_server
from services.cli.processes import wait_ready
from services.common import keys
from tests.chaos.conftest import HANGS_S
from tests.support.fleet import Asker, Book, Fleet, restart_redis, running
from tests.support.monitoring import (
    ALERTS,
    RECORDED,
    WATCH_ALERTS,
    WATCH_SERIES,
    dashboard_queries,
    filled_in,
)
from tests.support.outages import FullGpu, again_and_again, damaged_chunks, slowed, unwritable
from tests.support.pipeline import online
from tests.support.prometheus import need
from tests.support.tokens import write_tokens
from tests.support.waiting import eventually
from tests.support.watch import Scene, Watch, watching

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

FACTOR = 30
LATE = "HermesThreadsLate"
BOUNDS = {"HermesCheckpointTooOld": ("> 240", f"> {240 // FACTOR}")}
"""The age of a checkpoint is counted in intervals of `--checkpoint-every-s`."""
LASTING = "HermesTimeToFirstTokenSlowBurn"
"""Its windows are days: even scaled, it goes on for longer than the session. On a slow machine it
fires before its cause: one answer of a hundred that is late is enough."""
CAMERAS = ["lobby", "dock", "street", "yard", "gate"]
SETTINGS = {
    "HERMES_CHECKPOINT_EVERY_S": f"{60 // FACTOR}",
    # Less than the 10 s after which a worker drops frames: what is too slow loses them in the log.
    "HERMES_REPLAY_WINDOW_S": "8",
    "HERMES_FRAMES_PER_SECOND": "3",
    "HERMES_BUDGET_TOKENS": "192",
    "HERMES_MAX_CAMERAS": f"{len(CAMERAS)}",
    "HERMES_HAND_OVER_WAIT_S": "1",
}
QUESTION = "Is it day or night?"
"""One that the demo's model has a word for, whatever it sees."""
SHARE = 0.08
"""Of each second a slowed worker runs."""


def test_every_alert_fires_and_every_query_gives_data(folder: Path) -> None:
    need("prometheus")
    with (
        running(folder, 1, redis_server.start, **SETTINGS) as fleet,
        watching(fleet, folder / "prometheus", FACTOR, BOUNDS, [LASTING]) as watch,
    ):
        workers_come_and_go(watch)
        questions_are_asked(watch)
        a_thread_hangs(watch)
        workers_are_too_slow(watch)
        redis_is_gone(watch)
        a_worker_dies_and_a_memory_is_lost(watch)
        cameras_that_nobody_can_serve(watch)
        nothing_can_be_kept(watch)
        redis_may_evict(watch)
        watch.until_over()
        print(f"\n{watch.table()}")

        fired = {alert for scene in watch.scenes for alert in scene.alerts}
        assert fired == ALERTS.keys() - WATCH_ALERTS
        queries = {name: name for name in RECORDED}
        queries |= {where: filled_in(expr, "lobby") for where, expr in dashboard_queries()}
        fed = {where: expr for where, expr in queries.items() if not WATCH_SERIES.search(expr)}
        assert [where for where, expr in fed.items() if not watch.ever(expr)] == []
        assert not watch.ever('hermes_frames_total{outcome="no such outcome"}')


def add(fleet: Fleet, *names: str) -> None:
    for name in names:
        fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
    for name in names:
        fleet.until(name, online())


def owner(fleet: Fleet, camera_id: str, role: keys.Role = "worker") -> str:
    found = fleet.owner(camera_id, role)
    return "" if found is None else found.instance


def workers(fleet: Fleet) -> list[str]:
    return [child.name for child in fleet.pipeline.children if child.name.startswith("worker")]


def workers_come_and_go(watch: Watch) -> None:
    """One camera, and whoever has it is ended."""
    fleet = watch.fleet
    watch.start(*(f"worker-{n}" for n in range(1, 6)), "decoder-1", "gateway-1")
    with watch.scene("workers end in turn, in order", "HermesCamerasMoving") as scene:
        add(fleet, "lobby")
        for _ in range(3):
            watch.until(f'hermes_takeover_seconds_count{{instance="{owner(fleet, "lobby")}"}} >= 1')
            watch.end(owner(fleet, "lobby"))
            fleet.until("lobby", online())
        scene.wait()


def questions_are_asked(watch: Watch) -> None:
    """Nothing is wrong; and somebody without a token is not let in."""
    fleet = watch.fleet
    add(fleet, *CAMERAS[1:])
    for _ in range(6):
        for name in CAMERAS:
            assert fleet.client.ask(name, QUESTION, timeout=20).result().text
    tokens = fleet.pipeline.folder / "tokens"
    write_tokens(tokens, somebody="ask:*")
    watch.start("gateway-2", tokens_file=tokens, listen="127.0.0.1:0")
    with HermesClient(str(wait_ready(fleet.child("gateway-2"))["address"])) as stranger:
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                stranger.ask("lobby", QUESTION).result()
            watch.until('hermes_refused_calls_total{reason="UNAUTHENTICATED"} >= 1')
    watch.until('hermes_refused_calls_total{reason="UNAUTHENTICATED"} >= 2')
    watch.end("gateway-2")


def a_thread_hangs(watch: Watch) -> None:
    """A gateway reads its file of tokens from a disk that has stopped answering."""
    tokens = watch.fleet.pipeline.folder / "hanging-tokens"
    write_tokens(tokens, somebody="ask:*")
    text = tokens.read_bytes()
    watch.start("gateway-3", tokens_file=tokens, listen="127.0.0.1:0")
    with watch.scene("a gateway's file of tokens cannot be read to its end", LATE) as scene:
        pipe = tokens.with_suffix(".pipe")
        os.mkfifo(pipe)
        pipe.replace(tokens)
        scene.wait()
        with tokens.open("wb") as writer:
            tokens.unlink()
            tokens.write_bytes(text)
            writer.write(text)
    watch.end("gateway-3")


def workers_are_too_slow(watch: Watch) -> None:
    fleet = watch.fleet
    alerts = (
        *("HermesFrameLagHigh", "HermesFramesTrimmed"),
        *("HermesTimeToFirstTokenFastBurn", "HermesTimeToFirstTokenSlowBurn"),
    )
    processes = [fleet.child(name).process for name in workers(fleet)]
    book = Book()
    with watch.scene(f"workers get {SHARE:.0%} of a CPU", *alerts) as scene, ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(
                Asker(fleet.address, CAMERAS, book, deadline_s=80.0, question=QUESTION)
            )
        stack.enter_context(slowed(processes, SHARE))
        scene.wait()
    for name in CAMERAS:
        fleet.until(name, online())


def redis_is_gone(watch: Watch) -> None:
    fleet = watch.fleet
    local = fleet.pipeline.redis
    assert local is not None
    assert local.process is not None
    alerts = ("HermesNotReady", "HermesNobodyReady", "HermesFramesDropped")
    with watch.scene("Redis is killed", *alerts) as scene:
        local.process.kill()
        scene.wait()
        restart_redis(fleet)
    for name in CAMERAS:
        fleet.until(name, online())


def a_worker_dies_and_a_memory_is_lost(watch: Watch) -> None:
    fleet = watch.fleet
    (victim, _), *_ = Counter(owner(fleet, name) for name in CAMERAS).most_common()
    lost = next(name for name in CAMERAS if owner(fleet, name) == victim)
    eventually(lambda: fleet.redis.hget(keys.checkpoint(lost), "id"), 30, f"{lost} is kept")
    cause = "a worker is killed, and a camera's checkpoints are gone"
    with watch.scene(cause, "HermesMemoryLost") as scene:
        fleet.kill(victim)
        shutil.rmtree(fleet.store / lost)
        scene.wait()
    watch.forget(victim)
    for name in CAMERAS:
        fleet.until(name, online())


def cameras_that_nobody_can_serve(watch: Watch) -> None:
    """One worker is left, and it is full."""
    fleet, client = watch.fleet, watch.fleet.client
    (fleet.media / "broken.mp4").write_text("no video")
    nowhere = f"rtsp://127.0.0.1:{redis_server.free_port()}/live"
    scenes: list[Scene] = []
    with ExitStack() as stack:

        def scene(cause: str, *alerts: str) -> None:
            scenes.append(stack.enter_context(watch.scene(cause, *alerts)))

        unserved = ("HermesCameraNotRemembered", "HermesCamerasWithoutOwner")
        scene("more cameras than there is room for", *unserved, "HermesQuestionsFailing")
        client.add_camera("spare", "loop.mp4", pacing="live", loop=True)
        stack.enter_context(Asker(fleet.address, ["spare"], Book(), pause_s=0.2))
        scene("a camera's file is no video", "HermesCameraFailed")
        client.add_camera("broken", "broken.mp4")
        scene("a camera's host does not answer", "HermesCameraOffline")
        client.add_camera("away", nowhere)
        scene("a camera's log holds damaged entries", "HermesFramesUnreadable")
        stack.enter_context(damaged_chunks(fleet.redis, "dock", 0.2))
        gpu = stack.enter_context(FullGpu(fleet.redis))
        watch.scrape("worker-full-gpu", gpu.port)
        watch.until('up{instance="worker-full-gpu"} == 1')
        scene("a stand-in for a GPU that is full", "HermesDeviceMemoryHigh", "HermesPassesRetried")
        stack.enter_context(again_and_again(gpu.frames, 1.0))
        for one in scenes:
            one.wait()
        watch.forget("worker-full-gpu")
        client.remove_camera("broken")
        client.remove_camera("away")
        watch.start("worker-6")
        fleet.until("spare", online())


def nothing_can_be_kept(watch: Watch) -> None:
    """And meanwhile a decoder stands still, and the gateway dies."""
    fleet = watch.fleet
    stored = ("HermesCheckpointsFailing", "HermesCheckpointTooOld", "HermesCheckpointsStopped")
    with (
        watch.scene("the checkpoints' folder cannot be written", *stored) as scene,
        unwritable(fleet.store),
    ):
        a_decoder_stands_still(watch)
        the_gateway_dies(watch)
        scene.wait()


def redis_may_evict(watch: Watch) -> None:
    client = watch.fleet.redis
    with watch.scene("Redis has a policy that evicts keys", "HermesRedisEvicts") as scene:
        client.config_set("maxmemory", 1 << 30)
        client.config_set("maxmemory-policy", "allkeys-lru")
        scene.wait()
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 0)


def a_decoder_stands_still(watch: Watch) -> None:
    fleet = watch.fleet
    alerts = ("HermesLeaseChurn", "HermesFencedWrites")
    with watch.scene("a decoder is stopped for longer than its leases", *alerts) as scene:
        fleet.send("decoder-1", signal.SIGSTOP)
        watch.start("decoder-2")
        eventually(lambda: {owner(fleet, name, "decoder") for name in CAMERAS} == {"decoder-2"}, 30)
        time.sleep(2.0)  # what reads its cameras goes on, writes and is refused
        fleet.send("decoder-1", signal.SIGCONT)
        scene.wait()


def the_gateway_dies(watch: Watch) -> None:
    with watch.scene(
        "the only gateway is killed", "HermesServiceDown", "HermesServiceGone"
    ) as scene:
        watch.fleet.kill("gateway-1")
        scene.wait()
        watch.start("gateway-1")
