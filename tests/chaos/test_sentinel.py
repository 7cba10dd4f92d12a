"""A primary that Sentinels watch: it dies, or is replaced while it lives on, under load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.connection import connect
from services.common.frame_log import BEGINNING
from tests.support.sentinels import SentinelPair, running_sentinels
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
WITHIN_S = 120.0
"""On a machine that has nothing else to do it takes a tenth of it."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[SentinelPair]:
    with running_sentinels(tmp_path / "sentinels") as running:
        client = connect(running.url)
        register(client, CAMERAS)
        client.close()
        yield running


@pytest.mark.parametrize("how", ["killed", "demoted"])
def test_a_failover_under_load(pair: SentinelPair, how: str) -> None:
    with (
        simulated_workers(pair.url, 2, len(CAMERAS) // 2) as workers,
        SimulatedDecoder(pair.url, CAMERAS) as decoder,
        Watcher(pair.url, CAMERAS) as watcher,
    ):
        eventually(lambda: len(owners_of(workers)) == len(CAMERAS), WITHIN_S, "all have owners")
        eventually(
            lambda: all(watcher.read[c] > BEGINNING for c in CAMERAS), WITHIN_S, "logs are read"
        )
        before, old = owners_of(workers), pair.primary
        if how == "killed":
            old.kill()
            eventually(lambda: pair.primary is not old, WITHIN_S, "the replica took over")
        else:
            pair.fail_over()
        read = dict(watcher.read)
        eventually(lambda: all(watcher.read[c] > read[c] for c in CAMERAS), WITHIN_S, "logs go on")
        eventually(lambda: owners_of(workers) == before, WITHIN_S, "each camera has its owner")
    print(f"\n{how}: out of reach for {watcher.longest_outage_s:.1f} s at most")
    assert (watcher.went_back, watcher.faults, decoder.faults) == ([], [], [])
