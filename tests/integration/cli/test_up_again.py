"""`hermes up` on one state folder: again, with other cameras, and twice at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.cli.state_folder import StateUnusable, open_state
from tests.integration.cli.test_demo import environment
from tests.support import up, video
from tests.support.waiting import eventually


@pytest.mark.slow
def test_what_is_as_before_is_left_alone(tmp_path: Path) -> None:
    """The memory of a camera goes on where it was; what changed is said in a line each.

    The second `hermes up` on the folder is refused at once, and says who has it.
    """
    films = tmp_path / "films"
    films.mkdir()
    for name in ("same", "other", "gone"):
        video.write(films / f"{name}.mp4", 60)
    config = tmp_path / "hermes.yaml"
    state = tmp_path / "state"
    flags = ("--state", str(state), "--config", str(config), "--fps", "2", "--budget", "150")
    same = "{id: same, url: films/same.mp4}"
    config.write_text(
        f"cameras:\n  - {same}\n  - {{id: other, url: films/other.mp4}}\n"
        "  - {id: gone, url: films/gone.mp4}\n"
    )
    more = ("--capacity", "5", "--reflection")
    with up.running(tmp_path, environment(tmp_path), *flags, *more) as run:
        assert_settings(state / "logs")
        eventually(lambda: seen(run, "same") == 12, 60, "the film is remembered")
        created = run.client.update_camera("same", put_labels={"site": "dock"}).created
        run.client.add_camera("api", "other.mp4")
        assert_refused(tmp_path, run.process.pid)
        memory = psutil.Process(run.process.pid).memory_info().rss
        assert memory < 80 << 20, f"{memory >> 20} MiB"

    (tmp_path / "elsewhere").mkdir()  # so that the folder that all have in common is another
    new = video.write(tmp_path / "elsewhere" / "new.mp4", 60)
    config.write_text(
        f"cameras:\n  - {same}\n  - {{id: other, url: films/other.mp4, fps: 5}}\n"
        f"  - {{id: new, url: {new}}}\n"
    )
    with up.running(tmp_path, environment(tmp_path), *flags) as run:
        said = run.said()
        assert "camera gone: removed" in said
        assert "camera new: added" in said
        assert "camera other: fps changed: its memory begins anew" in said
        assert "what they remember: same" in said
        assert "of earlier runs: api" in said
        again = run.seen("same", "ended")
        assert (again.created, again.memory.coverage.frames_seen) == (created, 12)
        assert again.labels == {"site": "dock"}
        answer = run.client.ask("same", "Is it day or night?", timeout=30).result()
        assert answer.coverage.frames_seen == 12
        assert again.memory.coverage.gaps == ()
        assert {camera.id for camera in run.client.list_cameras()} == {
            *("same", "other", "new", "api")
        }


def assert_settings(logs: Path) -> None:
    """Each service has begun with what was told by flags."""
    for service, setting in (
        ("decoder", '"capacity": 5,'),
        ("decoder", '"frames_per_second": 2.0,'),
        ("worker", '"budget_tokens": 150,'),
        ("gateway", '"reflection": true,'),
    ):
        assert setting in (logs / f"{service}.log").read_text()


def seen(run: up.Up, camera: str) -> int:
    return run.client.get_camera(camera).memory.coverage.frames_seen


def assert_refused(tmp_path: Path, owner: int) -> None:
    began = time.monotonic()
    second = subprocess.run(
        [*up.COMMAND, "--listen", "127.0.0.1:0", "--state", str(tmp_path / "state")],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert f"is in use by another hermes up (process {owner}, since 2" in second.stderr
    assert "Traceback" not in second.stderr
    assert time.monotonic() - began < 20  # importing takes most of it


def test_the_lock_of_a_dead_owner_is_free(tmp_path: Path) -> None:
    with open_state(tmp_path / "state") as first:
        with pytest.raises(StateUnusable, match=f"process {os.getpid()}, since"):
            open_state(tmp_path / "state").__enter__()
        assert (first.path / "lock").stat().st_mode & 0o077 == 0
    with open_state(tmp_path / "state"):
        pass


def test_redis_keeps_the_lock_until_it_has_ended(tmp_path: Path) -> None:
    """Whoever is killed leaves a Redis behind for a moment: no second one joins it."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    with open_state(tmp_path) as state:
        (tmp_path / "lock").write_text(json.dumps({"pid": ended.pid, "since": "then"}))
        heir = subprocess.Popen(["sleep", "60"], pass_fds=[state.lock])
    try:
        began = time.monotonic()
        os.kill(heir.pid, signal.SIGSTOP)
        with pytest.raises(StateUnusable, match="still in use by the Redis"):
            open_state(tmp_path).__enter__()
        assert time.monotonic() - began < 15
    finally:
        heir.kill()
        heir.wait()
    with open_state(tmp_path):
        pass


@pytest.mark.parametrize(
    ("made", "given", "told"),
    [
        ("file", "it", "is a file"),
        ("file", "it/below", "a part of this path is a file"),
        ("nothing", "/proc/hermes", "cannot be used"),
        ("loop", "it", "cannot be used"),
    ],
)
def test_a_state_folder_that_cannot_be(tmp_path: Path, made: str, given: str, told: str) -> None:
    path = tmp_path / "it"
    if made == "file":
        path.write_text("")
    elif made == "loop":
        path.symlink_to(path)
    ran = CliRunner().invoke(
        app, ["up", "--listen", "127.0.0.1:0", "--state", str(tmp_path / given)]
    )
    assert isinstance(ran.exception, StateUnusable)  # `main` prints it as one line
    assert told in str(ran.exception)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    with pytest.raises(StateUnusable, match="permission denied"):
        open_state(tmp_path / "state").__enter__()
