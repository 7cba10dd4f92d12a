"""Processes with models over a cluster and over Sentinels: primaries, slots and owners go at once.

Questions are asked all the time. What one shape of Redis promises, each must.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from hermes.client import Camera
from services.common import keys
from services.common.leases import RENEW_EVERY_S, SAFETY_S, TTL_S, Owner
from tests.chaos.conftest import FRAMES, HANGS_S
from tests.support.fleet import Asker, Book, Fleet, running
from tests.support.patience import Patience
from tests.support.pipeline import online
from tests.support.shapes import WITH_REPLICAS, ClusterShape, Shape
from tests.support.simulated_fleet import Watcher
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

LIVE = ["lobby", "dock", "street", "yard"]
FILM = "film"
CAMERAS = [*LIVE, FILM]
WORKERS = ["worker-1", "worker-2", "worker-3"]
A_LEASE_OUTLASTS_S = TTL_S - SAFETY_S - RENEW_EVERY_S
WITHIN_S = 60.0


def started(fleet: Fleet) -> str:
    """Everything runs, and no camera is about to move. What is said about the film."""
    fleet.start(*WORKERS, "decoder-1", "gateway-1")
    for name in LIVE:
        fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
    fleet.film(FILM)
    fleet.whole(FILM, FRAMES)
    for name in LIVE:
        fleet.until(name, online(3))
    eventually(lambda: settled(fleet), WITHIN_S, "each worker serves its share")
    return fleet.said(FILM)[0]


def settled(fleet: Fleet) -> bool:
    """Whether all cameras are served, and none is about to move."""
    owners = [fleet.owner(name) for name in CAMERAS]
    serving = Counter(
        owner.instance
        for owner in owners
        if owner is not None and owner.state == "serving" and not owner.successor
    )
    return serving.total() == len(CAMERAS) and set(serving.values()) == {1, 2}


def owners_of(fleet: Fleet) -> dict[str, tuple[str, int]]:
    """The instance and the epoch that have each camera."""
    found = {name: fleet.owner(name) for name in CAMERAS}
    return {name: (one.instance, one.epoch) for name, one in found.items() if one is not None}


def all_answer(fleet: Fleet, said: str) -> None:
    """Each camera sees more than before, and the film is remembered as it was."""
    before: dict[str, int] = {}
    for name in LIVE:
        seen = fleet.until(name, lambda camera: camera.memory.state == "serving", WITHIN_S)
        before[name] = seen.memory.coverage.frames_seen
    for name in LIVE:

        def goes_on(camera: Camera, seen: int = before[name]) -> bool:
            return camera.memory.coverage.frames_seen > seen + 3

        fleet.until(name, goes_on, WITHIN_S)
        assert fleet.answer(name) > before[name]
    fleet.until(FILM, lambda camera: camera.memory.state == "serving", WITHIN_S)
    assert fleet.said(FILM) == (said, FRAMES)


def owner_of(fleet: Fleet, camera_id: str) -> Owner:
    eventually(lambda: fleet.owner(camera_id), WITHIN_S, f"{camera_id} has an owner")
    owner = fleet.owner(camera_id)
    assert owner is not None
    return owner


@pytest.mark.parametrize("shape", WITH_REPLICAS, indirect=True)
def test_primaries_die_and_slots_move_while_questions_are_asked(folder: Path, shape: Shape) -> None:
    """Within a lease, no camera changes its owner; what is asked is answered, or may be retried."""
    with running(folder, redis_url=shape.url, HERMES_HAND_OVER_WAIT_S="1") as fleet:
        said, book = started(fleet), Book()
        with (
            Watcher(shape.url, CAMERAS) as watcher,
            Asker(fleet.address, LIVE, book),
            Asker(fleet.address, [FILM], book, expected={FILM: said}),
        ):
            for key in (keys.lease(LIVE[0], "worker"), keys.CAMERAS):
                before = owners_of(fleet)
                shape.lose(key)
                all_answer(fleet, said)
                # A machine that is too busy to elect a primary within a lease cannot show this.
                late = watcher.longest_outage_s > A_LEASE_OUTLASTS_S
                assert owners_of(fleet) == before or late
                shape.mend()
            if isinstance(shape, ClusterShape):
                before = owners_of(fleet)
                for key in (keys.CAMERAS, keys.members("worker"), *map(keys.frames, CAMERAS)):
                    shape.cluster.move_slot(key, pause_s=0.3)
                time.sleep(TTL_S)
                all_answer(fleet, said)
                assert owners_of(fleet) == before
        print(f"\nRedis out of reach for {watcher.longest_outage_s:.1f} s at most; {book}")
        assert (watcher.went_back, watcher.faults, book.wrong) == ([], [], [])


@pytest.mark.parametrize("shape", WITH_REPLICAS, indirect=True)
def test_owners_die_and_stand_still_while_primaries_die(folder: Path, shape: Shape) -> None:
    """Each camera has an owner again, with its memory, and no answer is a former owner's."""
    with running(folder, redis_url=shape.url) as fleet:
        said, book = started(fleet), Book()
        with (
            Asker(fleet.address, LIVE, book, deadline_s=40.0, forgetful=True),
            Asker(fleet.address, [FILM], book, deadline_s=40.0, expected={FILM: said}),
        ):
            took = [killed(fleet, shape, LIVE[0])]
            all_answer(fleet, said)
            fleet.start("worker-4")
            took.append(killed(fleet, shape, FILM))
            all_answer(fleet, said)
            fleet.start("worker-5")
            stood_still(fleet, shape, LIVE[1])
            all_answer(fleet, said)
        print(f"\nowned anew {', '.join(f'{s:.1f}' for s in took)} s after both had died; {book}")
        assert book.wrong == []


def killed(fleet: Fleet, shape: Shape, camera_id: str) -> float:
    """Kill the owner and the primary that has its lease, at one time."""
    former = owner_of(fleet, camera_id)
    fleet.kill(former.instance)
    patience = Patience(2 * WITHIN_S)
    shape.lose(keys.lease(camera_id, "worker"))
    fleet.owned_anew(camera_id, former, 2 * WITHIN_S)
    took = patience.elapsed
    shape.mend()
    return took


def stood_still(fleet: Fleet, shape: Shape, camera_id: str) -> None:
    """Stop the owner past its lease, kill the primary meanwhile, and let the owner go on."""
    former = owner_of(fleet, camera_id)
    fleet.send(former.instance, signal.SIGSTOP)
    shape.lose(keys.lease(camera_id, "worker"))
    fleet.owned_anew(camera_id, former, 2 * WITHIN_S)
    newer = owner_of(fleet, camera_id)
    assert newer.epoch > former.epoch
    fleet.send(former.instance, signal.SIGCONT)
    shape.mend()
    all_owned_since = owner_of(fleet, camera_id)
    assert all_owned_since.epoch >= newer.epoch
