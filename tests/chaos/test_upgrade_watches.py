"""Workers of two versions own the cameras in turn. Watches tell each nightfall exactly once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED
from services.common import keys
from tests.chaos.conftest import HANGS_S
from tests.chaos.test_watches import (
    CAMERAS,
    DEMO,
    SHIFT,
    Stage,
    check,
    messages,
    nights_of,
    of_type,
    register,
    shown,
)
from tests.support.fleet import Fleet
from tests.support.nightfall import Film
from tests.support.versions import NOW, exported, side_by_side
from tests.support.waiting import eventually
from tests.support.workers import Feeder

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(HANGS_S)]

OLD = os.environ.get("HERMES_OLD_VERSION", "508bed9f").partition(",")[0]
"""See test_upgrade.py. Of several, the first; the earliest versions had no watches."""
LATE = 8
"""Frames after nightfall at which an event opens at most: cameras are handed over, not lost."""


def test_workers_of_two_versions_tell_every_nightfall_once(folder: Path) -> None:
    earlier = exported(OLD, folder / "earlier")
    if not (earlier.folder / "hermes" / "v1" / "watch_pb2.py").exists():
        pytest.skip(f"{OLD} had no watches")
    with side_by_side(folder, earlier, NOW) as (old, new), ThreadPoolExecutor(1) as beside:
        client, film = old.redis, Film()
        register(client)
        for name in ("worker-1", "worker-2"):
            old.start(name, **DEMO)
        stages = [Stage(Feeder(client, name), SHIFT * place) for place, name in enumerate(CAMERAS)]

        def replaced(former: Fleet, name: str, fleet: Fleet, by: str) -> None:
            former.end(name)
            fleet.start(by, **DEMO)

        turns = {
            30: (old, "worker-1", new, "worker-11"),
            80: (old, "worker-2", new, "worker-12"),
            130: (new, "worker-11", old, "worker-21"),
            180: (new, "worker-12", old, "worker-22"),
        }
        done = [
            beside.submit(replaced, *turns[number])
            for number in shown(film, stages)
            if number in turns
        ]
        for each in done:
            each.result()
        wanted = sum(len(nights_of(stage)) for stage in stages)
        eventually(lambda: len(of_type(client, EVENT_TYPE_CLOSED)) >= wanted, 60, "all are over")
        late = [check(stage, messages(client)) for stage in stages]
        print(f"\n{OLD}: {wanted} nights, told late by frames: {late}")
        assert max(frames for each in late for frames in each) <= LATE
        assert not any(client.hlen(keys.watch_outbox(name)) for name in CAMERAS)
