"""Redis is killed, comes back, comes back older than it was, and is out of reach."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from hermes.errors import Overloaded
from services.cli import redis_server
from services.cli.redis_server import LocalRedis
from services.common import keys
from services.common.leases import TTL_S
from tests.chaos.conftest import FRAMES, HANGS_S
from tests.support.fleet import Asker, Book, Fleet, restart_redis, running
from tests.support.pipeline import online
from tests.support.proxy import Proxy
from tests.support.redises import binaries
from tests.support.shapes import Shape
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

CAMERAS = ["lobby", "dock", "street", "yard"]


def started(fleet: Fleet) -> None:
    fleet.start("worker-1", "worker-2", "decoder-1", "gateway-1")
    for name in CAMERAS:
        fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
    for name in CAMERAS:
        fleet.until(name, online(3))
    eventually(lambda: settled(fleet), 30, "each worker serves its share")


def settled(fleet: Fleet) -> bool:
    """Whether each worker serves half of the cameras, and none is about to move.

    A lease that was just handed over names its new owner already, which takes it
    once more, under another epoch.
    """
    owners = [fleet.owner(name) for name in CAMERAS]
    serving = Counter(
        owner.instance
        for owner in owners
        if owner is not None and owner.state == "serving" and not owner.successor
    )
    half = len(CAMERAS) // 2
    return serving == {"worker-1": half, "worker-2": half}


def lease_epochs(fleet: Fleet) -> dict[str, int]:
    found = {}
    for name in CAMERAS:
        raw = fleet.redis.hget(keys.lease(name, "worker"), "epoch")
        found[name] = int(raw or 0)
    return found


def everyone_goes_on(fleet: Fleet, within_s: float = 30.0) -> None:
    before = {n: fleet.client.get_camera(n).memory.coverage.frames_seen for n in CAMERAS}
    for name in CAMERAS:
        fleet.until(
            name,
            lambda c, n=name: c.memory.coverage.frames_seen > before[n] + 3,  # type: ignore[misc]
            within_s,
        )
        assert fleet.answer(name)


def test_redis_is_killed_under_load_and_comes_back_with_its_data(
    folder: Path, shape: Shape
) -> None:
    """One server comes back; of a cluster, and with Sentinels, a replica takes over."""
    with running(folder, redis_url=shape.url) as fleet:
        started(fleet)
        book = Book()
        with Asker(fleet.address, CAMERAS, book, deadline_s=40.0):
            for key in (keys.CAMERAS, *(keys.lease(name, "worker") for name in CAMERAS[:2])):
                before = lease_epochs(fleet)
                time.sleep(1.2)  # on disk every second
                shape.lose(key)
                everyone_goes_on(fleet)
                after = lease_epochs(fleet)
                assert after == before  # nobody changed hands
                shape.mend()
        print(f"\n{book}")
        assert book.wrong == []


def test_a_copy_that_is_older_takes_over_and_epochs_never_go_back(folder: Path) -> None:
    """As a replica does that had not heard the last of it."""
    with running(folder) as fleet:
        started(fleet)
        fleet.film("film")
        fleet.whole("film", FRAMES)
        time.sleep(2.0)
        copy = folder / "copy"
        shutil.copytree(folder / "redis", copy)
        book = Book()
        with Asker(fleet.address, CAMERAS, book, deadline_s=40.0, forgetful=True):
            # Since then a camera changes hands twice, so that the copy names a former owner.
            former = fleet.owner(CAMERAS[0])
            assert former is not None
            fleet.send(former.instance, signal.SIGSTOP)
            fleet.owned_anew(CAMERAS[0], former)
            fleet.send(former.instance, signal.SIGCONT)
            newest = lease_epochs(fleet)
            assert newest[CAMERAS[0]] > former.epoch
            restart_redis(fleet, copy)
            everyone_goes_on(fleet)
            for name, epoch in lease_epochs(fleet).items():
                assert epoch >= newest[name] or fleet.owner(name) is not None
            told = fleet.client.ask(CAMERAS[0], "What now?", max_tokens=4, timeout=40)
            "".join(told)
            assert told.result().epoch >= newest[CAMERAS[0]]
        print(f"\n{book}")
        assert book.wrong == []


def test_its_clock_is_stepped_by_an_hour_either_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody changes hands for it, and who then dies is followed as soon as ever."""
    clock = folder / "clock"
    clock.write_text("+0")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    binary = binaries().get("bundled")  # one with an allocator of its own does not start with it
    if library is None or binary is None:
        pytest.skip("no libfaketime, or no Redis to step the clock of")

    def start_redis(own: Path) -> LocalRedis:
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(library))
            patch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
            patch.setenv("FAKETIME_NO_CACHE", "1")
            patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            return redis_server.start(own, binary=binary)

    with running(folder, start_redis=start_redis) as fleet:
        started(fleet)
        before, book = lease_epochs(fleet), Book()
        with Asker(fleet.address, CAMERAS, book, deadline_s=40.0, forgetful=True):
            for offset in ("+3600", "-3600", "+0"):
                clock.write_text(offset)
                told_s, _ = fleet.redis.time()
                assert abs(told_s - time.time() - int(offset)) < 5
                time.sleep(2 * TTL_S)
                everyone_goes_on(fleet)
                assert lease_epochs(fleet) == before
            clock.write_text("+3600")
            eventually(lambda: fleet.owner(CAMERAS[0]), 5, "its owner renews the lease")
            former = fleet.owner(CAMERAS[0])
            assert former is not None
            fleet.kill(former.instance)
            took = fleet.owned_anew(CAMERAS[0], former)
            everyone_goes_on(fleet)
        print(f"\nowned anew after {took:.1f} s; {book}")
        assert book.wrong == []
        assert book.share > 0.99


@pytest.mark.parametrize("how", ["cut", "stall"])
def test_one_worker_loses_the_way_to_redis(folder: Path, how: str) -> None:
    """The others take its cameras; when it is back it takes its share, and answers for no other."""
    with running(folder) as fleet:
        local = fleet.pipeline.redis
        assert local is not None
        port = int(local.url.rsplit(":", 1)[1].partition("/")[0])
        with Proxy(port) as wire:
            fleet.start("worker-2", "decoder-1", "gateway-1")
            fleet.start("worker-1", redis_url=f"redis://{wire.address}/0")
            for name in CAMERAS:
                fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
            for name in CAMERAS:
                fleet.until(name, online(3))
            book = Book()
            with Asker(fleet.address, CAMERAS, book, deadline_s=40.0, forgetful=True):
                eventually(lambda: any(owned_by(fleet, "worker-1")), 20, "worker-1 has its share")
                theirs = owned_by(fleet, "worker-1")
                wire.cut() if how == "cut" else wire.stall()
                eventually(lambda: set(owned_by(fleet, "worker-2")) == set(CAMERAS), 15.5)
                everyone_goes_on(fleet)
                wire.heal()
                eventually(lambda: any(owned_by(fleet, "worker-1")), 40, "it has its share again")
                everyone_goes_on(fleet)
            assert theirs
            print(f"\n{how}: {book}")
            assert book.wrong == []


def owned_by(fleet: Fleet, instance: str) -> list[str]:
    owners = {name: fleet.owner(name) for name in CAMERAS}
    return [name for name, owner in owners.items() if owner and owner.instance == instance]


def test_redis_is_full_for_a_while(folder: Path) -> None:
    """Nothing can be written for longer than a lease lasts. Files wait; live cameras have a gap."""
    with running(folder, HERMES_SLICE_MS="0.001") as fleet:
        started(fleet)
        fleet.film("undisturbed")
        fleet.whole("undisturbed", FRAMES)
        fleet.film("film")
        fleet.until("film", lambda camera: camera.memory.coverage.frames_seen > 20)
        book = Book()
        with Asker(fleet.address, CAMERAS, book, deadline_s=40.0, forgetful=True):
            fleet.redis.config_set("maxmemory", "1mb")  # less than it takes now
            time.sleep(15.0)
            fleet.redis.config_set("maxmemory", "0")
            everyone_goes_on(fleet)
            fleet.whole("film", FRAMES)
            assert fleet.held("film") == fleet.held("undisturbed")
        print(f"\nfull: {book}")
        assert book.wrong == []


def test_many_cameras_come_at_once(folder: Path) -> None:
    """More than there is room for: those that have a place are served, the others wait for one."""
    with running(folder, HERMES_MAX_CAMERAS="10", HERMES_FRAMES_PER_SECOND="0.5") as fleet:
        fleet.start("worker-1", "decoder-1", "gateway-1")
        names = [f"camera-{n}" for n in range(30)]
        for name in names:
            fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)

        def serving() -> list[str]:
            cameras = fleet.client.list_cameras()
            return [camera.id for camera in cameras if camera.memory.state == "serving"]

        eventually(lambda: len(serving()) == 10, 60, "ten are served")
        for name in serving():
            assert fleet.answer(name)
        homeless = next(name for name in names if name not in serving())
        with pytest.raises(Overloaded):
            fleet.answer(homeless)
        fleet.start("worker-2", "worker-3")
        eventually(lambda: len(serving()) == 30, 60, "all are served")
        for name in names:
            assert fleet.answer(name)
