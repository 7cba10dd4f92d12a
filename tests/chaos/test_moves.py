"""Workers come and go, wires are cut, disks are full: questions go on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.cli import redis_server
from services.common import keys
from tests.chaos.conftest import FRAMES, HANGS_S
from tests.support.fleet import Asker, Book, Fleet, running
from tests.support.holder import traces
from tests.support.pipeline import online
from tests.support.proxy import Proxy
from tests.support.small_disk import fill, small_disk_at
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

SECONDS = float(os.environ.get("HERMES_CHAOS_S", "300"))
FILMS = [f"film-{n}" for n in range(3)]
LIVE = ["lobby", "dock", "street"]


def added(fleet: Fleet) -> None:
    for name in LIVE:
        fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
    for name in FILMS:
        fleet.film(name)
    for name in LIVE:
        fleet.until(name, online(3))
    for name in FILMS:
        fleet.whole(name, FRAMES)


def test_workers_come_and_go_and_no_question_notices(folder: Path) -> None:
    """Two gateways, three workers, one leaving and one joining all the time."""
    with running(folder, gateways=2) as fleet:
        fleet.start("worker-1", "worker-2", "worker-3", "decoder-1", "gateway-1", "gateway-2")
        added(fleet)
        expected = {name: fleet.said(name)[0] for name in FILMS}
        book, ended = Book(), []
        first, second = fleet.addresses.values()
        with (
            Asker(first, FILMS + LIVE, book, expected=expected),
            Asker(second, FILMS + LIVE, book, expected=expected),
            Asker(second, FILMS, book, expected=expected),
        ):
            began, number = time.monotonic(), 1
            while time.monotonic() - began < SECONDS:
                fleet.start(f"worker-{number + 3}")
                ended.append(fleet.end(f"worker-{number}"))
                number += 1
        lost = sum(
            fleet.metrics(child.name).get("hermes_lease_lost_total", 0)
            for child in fleet.pipeline.children
            if child.name.startswith("worker")
        )
        print(f"\n{len(ended)} workers left, in {max(ended):.1f} s at most; {book}")
        assert book.wrong == []
        assert book.share >= 0.99
        assert lost == 0
        for name in FILMS:
            fleet.whole(name, FRAMES)


@pytest.mark.parametrize("how", ["cut", "stall"])
def test_a_gateway_loses_the_way_to_a_worker(folder: Path, how: str) -> None:
    """What cannot be reached is told as such, in time; the other gateway notices nothing."""
    with running(folder, gateways=1) as fleet:
        port = redis_server.free_port()
        with Proxy(port) as wire:
            fleet.start("worker-1", listen=f"127.0.0.1:{port}", advertise=f"127.0.0.1:{wire.port}")
            fleet.start("decoder-1", "gateway-1", hand_over_wait_s="0.5")
            fleet.client.add_camera("lobby", "loop.mp4", pacing="live", loop=True)
            fleet.until("lobby", online(3))
            book = Book()
            with Asker(fleet.address, ["lobby"], book, deadline_s=3.0):
                eventually(lambda: book.outcomes["answered"] > 3, 20)
                wire.cut() if how == "cut" else wire.stall()
                before = book.asked
                eventually(lambda: book.asked >= before + 3, 30, "questions are refused in time")
                wire.heal()
                answered = book.outcomes["answered"]
                eventually(lambda: book.outcomes["answered"] > answered + 3, 30, "and answered")
            print(f"\n{how}: {book}")
            assert book.wrong == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", 16) as disk:
        yield disk


def test_the_disk_is_full_when_memories_are_to_be_kept(folder: Path, small_disk: Path) -> None:
    with running(folder) as fleet:
        fleet.start("worker-1", checkpoint_url=small_disk)
        fleet.start("decoder-1", "gateway-1")
        fleet.client.add_camera("lobby", "loop.mp4", pacing="live", loop=True)
        fleet.until("lobby", online(3))
        key = keys.checkpoint("lobby")
        eventually(lambda: fleet.redis.hget(key, "id"), 20, "a first checkpoint")
        rest = small_disk / "rest"
        fill(rest)
        failed = 'hermes_checkpoints_total{outcome="failed"}'
        eventually(lambda: fleet.metrics("worker-1").get(failed, 0) >= 1, 30, "told in a metric")
        kept = fleet.redis.hget(key, "id")
        assert fleet.answer("lobby")
        assert fleet.client.get_camera("lobby").memory.state == "serving"
        rest.unlink()
        eventually(lambda: fleet.redis.hget(key, "id") != kept, 60, "the next one")
        former = fleet.owner("lobby")
        assert former is not None
        fleet.kill("worker-1")
        fleet.start("worker-2", checkpoint_url=small_disk)
        fleet.owned_anew("lobby", former, 30)
        fleet.until("lobby", online(3))
        restored = 'hermes_restores_total{outcome="newest"}'
        assert fleet.metrics("worker-2").get(restored) == 1


def test_a_thousand_cameras_come_and_go(folder: Path) -> None:
    """No memory, file, thread or key is left behind."""
    cameras = int(os.environ.get("HERMES_CHAOS_CAMERAS", "1000"))
    with running(folder, HERMES_MAX_CAMERAS="24", HERMES_CAPACITY="24") as fleet:
        fleet.start("worker-1", "decoder-1", "gateway-1")

        def grown() -> dict[str, tuple[int, int, int]]:
            found = {}
            for child in fleet.pipeline.children:
                process = psutil.Process(child.process.pid)
                with process.oneshot():
                    found[child.name] = (
                        process.memory_info().rss >> 20,
                        process.num_fds(),
                        process.num_threads(),
                    )
            return found

        def come_and_go(first: int, count: int) -> None:
            names = [f"camera-{n}" for n in range(first, first + count)]
            for name in names:
                fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
            for name in names[::5]:
                fleet.until(name, online(1), 60)
            for name in names:
                fleet.client.remove_camera(name)
            eventually(lambda: not traces(fleet.redis, "camera-"), 30, "no key is left")

        for first in range(0, 100, 20):
            come_and_go(first, 20)
        before = grown()
        for first in range(100, cameras, 20):
            come_and_go(first, 20)
        time.sleep(3.0)
        after = grown()
        print(f"\nafter 100 cameras {before}, after {cameras} {after} (MiB, files, threads)")
        for name, (memory, files, threads) in after.items():
            assert files <= before[name][1] + 5, name
            assert threads <= before[name][2] + 3, name
            assert memory <= before[name][0] * 1.1 + 20, name
        assert list(fleet.store.rglob("*.safetensors")) == []
