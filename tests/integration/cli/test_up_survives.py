"""`hermes up` while its processes are killed, one after the other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from hermes.errors import HermesError
from tests.integration.cli.test_demo import environment, of_this_run
from tests.support import video
from tests.support.up import Up, running
from tests.support.waiting import eventually

ANSWERED_S = 60.0
"""A worker starts within seconds, and the lease of the one before ends meanwhile."""

FILM_FRAMES = 6
"""One a second of its 60 pictures, of which there are ten a second."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("survives")
    (folder / "films").mkdir()
    film = video.write(folder / "films" / "film.mp4", 60)
    live = video.write(folder / "films" / "live.mp4", 60)
    config = folder / "hermes.yaml"
    config.write_text(
        f"cameras:\n  - {{id: film, url: {film}}}\n"
        f"  - {{id: live, url: {live}, pacing: live, loop: true}}\n"
    )
    flags = ("--state", str(folder / "state"), "--config", str(config))
    with running(folder, environment(folder), *flags) as up:
        eventually(lambda: frames_seen(up, "film") == FILM_FRAMES, 60, "the film is remembered")
        up.seen("live", "online")
        yield up


def frames_seen(up: Up, camera: str) -> int:
    return up.client.get_camera(camera).memory.coverage.frames_seen


def answered(up: Up, camera: str) -> bool:
    try:
        return bool(up.client.ask(camera, "Is it day or night?", timeout=10).result().text)
    except HermesError:
        return False


@pytest.mark.parametrize(
    "name", ["gateway", pytest.param("decoder", marks=pytest.mark.slow), "Redis", "worker"]
)
def test_what_is_killed_is_started_again(up: Up, name: str) -> None:
    """Questions are answered again, the film is remembered, the live camera goes on."""
    said = len(up.said())
    killed = up.pid_of(name)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: f"{name} ended (killed by SIGKILL" in up.said()[said:], 10)
    eventually(lambda: f"{name} runs again" in up.said()[said:], ANSWERED_S)
    assert up.pid_of(name) != killed
    eventually(lambda: answered(up, "film"), ANSWERED_S, "the film is asked about")
    eventually(lambda: answered(up, "live"), ANSWERED_S, "the live camera is asked about")
    after = up.seen("film", "ended").memory.coverage
    assert (after.frames_seen, after.lost) == (FILM_FRAMES, None)
    assert len(up.client.list_cameras()) == 2
    frames = frames_seen(up, "live")
    eventually(lambda: frames_seen(up, "live") > frames, 30, "the live camera goes on")


def test_a_gateway_that_stands_still_is_told_once(up: Up) -> None:
    """Without a terminal: a line when the states cannot be read, and one when they can again."""
    said = len(up.said())
    gateway = up.pid_of("gateway")
    os.kill(gateway, signal.SIGSTOP)
    try:
        eventually(lambda: "not refreshed since" in up.said()[said:], 20)
        time.sleep(3)
    finally:
        os.kill(gateway, signal.SIGCONT)
    eventually(lambda: "refreshed again" in up.said()[said:], 20)
    assert up.said()[said:].count("not refreshed since") == 1


def test_a_killed_command_takes_its_processes_along(up: Up) -> None:
    """The last test of this file: nothing is left for others."""
    folder = up.log.parent
    family = up.kill()
    assert any("redis-server" in child.name() for child in family)
    assert len(family) >= 4
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []
    assert of_this_run(folder) == []
