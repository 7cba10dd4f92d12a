"""`hermes up`, as a person starts it, and starts it again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes.client import Camera, HermesClient
from services.cli.up import keep_media_root
from tests.integration.cli.test_demo import environment
from tests.support import video
from tests.support.waiting import eventually

STARTED_S = 90.0


@contextmanager
def running(tmp_path: Path, *flags: str) -> Iterator[HermesClient]:
    """A client of everything that `hermes up --state` runs, until it is told to end."""
    command = [sys.executable, "-m", "services.cli.main", "up", "--state", str(tmp_path / "state")]
    log = tmp_path / "up.log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *flags],
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "Ask away" in log.read_text(), STARTED_S, "up")
        with HermesClient(log.read_text().split(" -g ")[1].split()[0]) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    assert code == 0, log.read_text()


def seen(client: HermesClient, state: str) -> Camera:
    """The camera, once its source is in this state and its memory serves."""

    def there() -> bool:
        camera = client.get_camera("lobby")
        return camera.source.state == state and camera.memory.state == "serving"

    eventually(there, 60, f"{state}, and remembered")
    return client.get_camera("lobby")


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    """Cameras, their memories, and the folder that their films lie in."""
    (tmp_path / "films").mkdir()
    film = video.write(tmp_path / "films" / "lobby.mp4", 60)
    with running(tmp_path, "--camera", f"lobby={film}") as client:
        seen(client, "ended")
        eventually(lambda: client.get_camera("lobby").memory.frames == 6, 60, "all of the film")
        first = client.get_camera("lobby")
    with running(tmp_path) as client:
        again = seen(client, "ended")
        assert again.memory.frames == first.memory.frames
        answer = client.ask("lobby", "Is it day or night?", timeout=30).result()
        assert answer.coverage.frames_seen == first.memory.coverage.frames_seen


def test_a_media_folder_is_kept_until_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, films, others = (tmp_path / name for name in ("media-root", "films", "others"))
    films.mkdir()
    others.mkdir()
    assert keep_media_root(kept, None) is None
    assert keep_media_root(kept, films) == films
    assert keep_media_root(kept, None) == films
    assert keep_media_root(kept, films) == films
    assert capsys.readouterr().err == ""
    assert keep_media_root(kept, others) == others
    assert "films" in capsys.readouterr().err
    others.rmdir()
    assert keep_media_root(kept, None) is None
