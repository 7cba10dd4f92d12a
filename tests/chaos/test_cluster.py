"""A cluster of three primaries with replicas: one is killed, and slots move, under load.

Workers and decoders are threads here, with everything that services do in Redis and
nothing else: a question needs a lease, a lease needs its node.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common import keys
from services.common.connection import connect
from services.common.frame_log import LogId
from services.common.leases import RENEW_EVERY_S, SAFETY_S, TTL_S
from tests.support.redis_clusters import Cluster, running_cluster
from tests.support.simulated_fleet import (
    SimulatedDecoder,
    Watcher,
    owners_of,
    register,
    simulated_workers,
)
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

CAMERAS = [f"camera-{number}" for number in range(12)]
A_LEASE_OUTLASTS_S = TTL_S - SAFETY_S - RENEW_EVERY_S
WITHIN_S = 120.0
"""On a machine that has nothing else to do it takes a tenth of it."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path / "cluster", primaries=3, replicas=1) as running:
        client = connect(running.url)
        register(client, CAMERAS)
        client.close()
        yield running


def all_are_read_again(watcher: Watcher, within_s: float = WITHIN_S) -> None:
    before: dict[str, LogId] = dict(watcher.read)
    eventually(
        lambda: all(watcher.read[camera] > before[camera] for camera in CAMERAS),
        within_s,
        "every log goes on",
    )


@pytest.mark.parametrize("key", [keys.CAMERAS, keys.lease(CAMERAS[0], "worker")])
def test_a_primary_is_killed_under_load(cluster: Cluster, key: str) -> None:
    """That of the registry, and that of a camera. Owners stay, and no epoch goes back."""
    with (
        simulated_workers(cluster.url, 2, len(CAMERAS) // 2) as workers,
        SimulatedDecoder(cluster.url, CAMERAS) as decoder,
        Watcher(cluster.url, CAMERAS) as watcher,
    ):
        eventually(lambda: len(owners_of(workers)) == len(CAMERAS), WITHIN_S, "all have owners")
        all_are_read_again(watcher)
        before = owners_of(workers)
        lost = cluster.primary_of(key)
        lost.kill()
        eventually(lambda: cluster.primary_of(key) is not lost, WITHIN_S, "its replica took over")
        all_are_read_again(watcher)
        eventually(
            lambda: len(owners_of(workers)) == len(CAMERAS), WITHIN_S, "all have owners again"
        )
        lost.restart()
        eventually(cluster.replicated, WITHIN_S, "it is a replica now")
        all_are_read_again(watcher)
        after = owners_of(workers)
    print(
        f"\nout of reach for {watcher.longest_outage_s:.1f} s at most;"
        f" {sum(decoder.appended.values())} chunks, {dict(decoder.outages)} in between;"
        f" {sum(after[c] != before.get(c) for c in after)} cameras moved"
    )
    assert (watcher.went_back, watcher.faults, decoder.faults) == ([], [], [])
    # A machine that is too busy to elect a primary within a lease cannot show this.
    assert after == before or watcher.longest_outage_s > A_LEASE_OUTLASTS_S


def test_slots_move_under_load(cluster: Cluster) -> None:
    """Those of the registry, of cameras and of their logs, key by key."""
    with (
        simulated_workers(cluster.url, 2, len(CAMERAS) // 2) as workers,
        SimulatedDecoder(cluster.url, CAMERAS) as decoder,
        Watcher(cluster.url, CAMERAS) as watcher,
    ):
        eventually(lambda: len(owners_of(workers)) == len(CAMERAS), WITHIN_S, "all have owners")
        all_are_read_again(watcher)
        before = owners_of(workers)
        for key in (keys.CAMERAS, keys.members("worker"), *map(keys.frames, CAMERAS[:4])):
            cluster.move_slot(key, pause_s=0.3)
        all_are_read_again(watcher)
        time.sleep(TTL_S)
        after = owners_of(workers)
    print(f"\n{dict(decoder.outages)} outages, {watcher.outages} of the watcher")
    assert (watcher.went_back, watcher.faults, decoder.faults) == ([], [], [])
    assert after == before


def test_grants_that_a_failover_loses_leave_no_two_owners(cluster: Cluster) -> None:
    """What is written just before a primary dies may be lost: replication does not wait."""
    with simulated_workers(cluster.url, 2, len(CAMERAS) // 2) as workers:
        eventually(lambda: len(owners_of(workers)) > 4, WITHIN_S, "grants are under way")
        lost = cluster.primary_of(keys.lease(CAMERAS[0], "worker"))
        lost.kill()
        eventually(lambda: len(owners_of(workers)) == len(CAMERAS), WITHIN_S, "all have owners")
        time.sleep(TTL_S)
        held = [camera for worker in workers for camera in worker.holder.has]
        gains = [gain for worker in workers for gain in worker.holder.gains]
    assert sorted(held) == sorted(CAMERAS)  # each by one
    assert len(set(gains)) == len(gains)  # and no epoch was granted twice
