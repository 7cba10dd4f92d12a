"""What ends is restarted, with growing pauses, and not for ever."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from services.cli.supervision import MOST_DEATHS, STABLE_S, CrashLoop, Supervision

NOON = datetime(2026, 11, 29, 12)


@dataclass
class Fake:
    name: str
    needed: bool = False
    log: Path | None = Path("/logs/it.log")
    how: str = ""
    up: bool = True
    starts: list[bool] = field(default_factory=list)

    def ended(self) -> str:
        return self.how

    def why(self) -> str:
        return "out of paper"

    def start_again(self, same_ports: bool) -> None:
        self.starts.append(same_ports)
        self.how, self.up = "", False

    def is_ready(self) -> bool:
        return self.up


class Scene:
    def __init__(self, *watched: Fake) -> None:
        self.time_s = 1000.0
        self.said: list[str] = []
        self.supervision = Supervision(
            watched,
            self.said.append,
            clock=lambda: self.time_s,
            now=lambda: NOON,
            rng=random.Random(1),
        )

    def go_on(self, seconds: float) -> None:
        end_s = self.time_s + seconds
        while self.time_s < end_s:
            self.time_s += 0.25
            self.supervision.look()


def test_what_runs_is_left_alone() -> None:
    fake = Fake("worker")
    scene = Scene(fake)
    scene.go_on(10)
    assert (fake.starts, scene.said, scene.supervision.away()) == ([], [], [])


def test_what_ended_is_started_on_its_ports_and_told() -> None:
    fake = Fake("worker")
    scene = Scene(fake)
    fake.how = "status 1"
    scene.supervision.look()
    (away,) = scene.supervision.away()
    assert (away.name, away.since) == ("worker", NOON)
    scene.go_on(2)
    assert fake.starts == [True]
    assert len(scene.supervision.away()) == 1  # it comes up
    fake.up = True
    scene.go_on(1)
    assert scene.supervision.away() == []
    assert "worker ended (status 1) and is restarted in" in scene.said[0]
    assert "out of paper" in scene.said[0]
    assert scene.said[1].startswith("worker runs again, after ")


def test_one_that_does_not_come_up_gets_other_ports() -> None:
    fake = Fake("decoder")
    scene = Scene(fake)
    fake.how = "status 1"
    scene.go_on(2)
    fake.how = "status 1"
    scene.go_on(3)
    assert fake.starts == [True, False]


def test_the_others_wait_for_what_they_need() -> None:
    redis, worker = Fake("Redis", needed=True), Fake("worker")
    scene = Scene(redis, worker)
    redis.how = worker.how = "killed by SIGKILL"
    scene.go_on(20)
    assert (len(redis.starts), worker.starts) == (1, [])
    redis.up = True
    scene.go_on(1)
    assert len(worker.starts) == 1


def test_a_crash_loop_ends_with_the_reason_and_the_log() -> None:
    fake = Fake("gateway")
    scene = Scene(fake)
    for _ in range(MOST_DEATHS - 1):
        fake.how = "status 2"
        scene.go_on(10)
        fake.up = True
    fake.how = "status 2"
    with pytest.raises(CrashLoop) as ended:
        scene.go_on(10)
    assert f"gateway ended {MOST_DEATHS} times" in str(ended.value)
    assert "status 2; out of paper" in str(ended.value)
    assert "/logs/it.log" in str(ended.value)
    assert len(fake.starts) == MOST_DEATHS - 1


def test_ends_that_are_far_apart_are_no_loop() -> None:
    fake = Fake("worker")
    scene = Scene(fake)
    for _ in range(3 * MOST_DEATHS):
        fake.how = "status 1"
        scene.go_on(10)
        fake.up = True
        scene.go_on(STABLE_S + 1)
    assert len(fake.starts) == 3 * MOST_DEATHS
