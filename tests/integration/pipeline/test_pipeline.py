"""All services as processes, on real video: cameras die, Redis restarts, input is bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.errors import CameraNotFound, HermesError, InvalidInput
from services.cli import redis_server
from services.cli.local import LocalSettings, start_services
from services.cli.processes import Pipeline
from tests.support import program, tiny
from tests.support.pipeline import Running, online
from tests.support.rtsp import RtspCamera
from tests.support.video import write

PASSWORD = "hunter2-sesame"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    folder = tmp_path_factory.mktemp("pipeline")
    media = folder / "media"
    media.mkdir()
    write(media / "file.mp4", 60, rate=10)
    (media / "text.mp4").write_text("this is not a video\n" * 100)
    (media / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    settings = LocalSettings(
        model=str(tiny.folder()),
        device="cpu",
        media_root=media,
        frame_size="112x112",
        budget_tokens=320,
        frames_per_second=5.0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REDIS_URL", raising=False)
        environment = {"HERMES_CHUNK_MAX_DURATION_S": "0.4", "HERMES_BACKOFF_CAP_S": "2"}
        with Pipeline(folder, environment) as pipeline:
            address = start_services(pipeline, settings, lambda text: None)
            made = Running(pipeline, address)
            yield made
            made.client.close()


@pytest.fixture(scope="module")
def rtsp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspCamera]:
    video = write(tmp_path_factory.mktemp("rtsp") / "loop.h264", 40, rate=10)
    camera = RtspCamera(video, 10)
    camera.up()
    yield camera
    camera.kill()


@pytest.fixture(scope="module")
def steady(running: Running) -> None:
    """A camera that never ends: `steady`."""
    running.client.add_camera("steady", "file.mp4", pacing="live", loop=True)


def test_a_file_is_read_whole_and_asked(running: Running) -> None:
    running.client.add_camera("file", "file.mp4")
    running.until(
        "file",
        lambda camera: camera.source.state == "ended" and camera.memory.state == "serving",
    )
    assert running.answer("file") == 30  # six seconds at five frames a second
    shown = running.until(  # what a camera shows is a report, now and then
        "file",
        lambda camera: camera.memory.coverage.media_end_s == pytest.approx(5.8, abs=0.01),
    )
    assert shown.memory.coverage.media_start_s == 0.0


def test_a_memory_is_shown(running: Running, tmp_path: Path) -> None:
    """To a pipe at its 80 columns, as numbers, and as a picture; and what cannot be shown."""

    def show(*options: str) -> subprocess.CompletedProcess[str]:
        return program.run("services.cli.main", "memory", "show", *options, "-g", running.address)

    contents = running.client.inspect("file")
    assert contents.frames_seen == running.answer("file")
    assert all(layer.tokens == contents.tokens for layer in contents.layers)

    text = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "memory", "show", "file", "-g",
         running.address],
        capture_output=True, text=True, timeout=60, check=True,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
    ).stdout  # fmt: skip
    assert f"of {contents.frames_seen} frames held" in text
    assert all(word in text for word in ("file  hermes", "sensory", "working", "long-term", "ago"))
    assert max(map(len, text.splitlines())) <= 80

    reported = json.loads(show("file", "--json").stdout)
    assert reported["camera"] == "file"
    assert reported["frames_seen"] == contents.frames_seen
    assert reported["layers"][0]["frames"][-1]["tokens"] == contents.layers[0].frames[-1].tokens

    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<svg")):
        assert show("file", "--out", str(tmp_path / name)).returncode == 0
        assert (tmp_path / name).read_bytes().startswith(start)

    for options, error in (
        (["nobody"], "error: there is no camera 'nobody'"),
        (["file", "--out", "a.gif"], "error: --out: 'a.gif' ends in neither .svg nor .png"),
        (["file", "--out", str(tmp_path / "no" / "a.svg")], "error: cannot write"),
    ):
        refused = show(*options)
        assert refused.returncode == 1
        assert refused.stdout == ""
        assert refused.stderr.startswith(error)
        assert refused.stderr.count("\n") == 1


def test_a_camera_goes_and_comes_back_and_no_other_notices(
    running: Running, rtsp: RtspCamera, steady: None
) -> None:
    running.client.add_camera("street", rtsp.url)
    running.until("steady", online(3))
    running.until("street", online(3))
    before = running.answer("steady")

    rtsp.kill()
    gone = running.until("street", lambda camera: camera.source.state == "offline", 15)
    assert gone.source.error in ("ended", "refused", "timeout")
    assert running.answer("street") >= 3  # memory outlives its camera
    running.until("steady", lambda camera: camera.memory.coverage.frames_seen > before, 15)
    rtsp.up()
    running.until("street", online(), 15)
    seen = running.answer("street")
    back = running.until("street", lambda camera: camera.memory.coverage.frames_seen > seen + 3, 15)
    assert back.source.reconnects >= 1
    assert len(back.memory.coverage.gaps) >= 1
    assert running.client.get_camera("steady").memory.coverage.gaps == ()
    assert running.answer("street") > seen


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("file:///etc/passwd", "camera.url"),
        ("../../etc/passwd", "camera.url"),
        ("ftp://host/x", "camera.url"),
        ("", "camera.url"),
        (f"rtsp://user:{PASSWORD}@host:port/x", "camera.url"),
    ],
)
def test_a_bad_url_is_refused_at_once(running: Running, url: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        running.client.add_camera("bad", url)
    assert refused.value.field == field
    assert PASSWORD not in str(refused.value)
    with pytest.raises(CameraNotFound):
        running.client.get_camera("bad")


@pytest.mark.parametrize(
    ("camera_id", "url", "error"),
    [
        ("text", "text.mp4", "codec"),
        ("list", "list.mp4", ""),
        ("missing", "nothing.mp4", "not_found"),
        ("closed", f"rtsp://user:{PASSWORD}@127.0.0.1:9/x", "refused"),
    ],
)
def test_a_bad_source_is_told_by_its_camera(
    running: Running, camera_id: str, url: str, error: str
) -> None:
    running.client.add_camera(camera_id, url)
    reported = running.until(
        camera_id, lambda camera: camera.source.state in ("offline", "failed"), 20
    )
    assert reported.source.error == error or not error
    assert reported.source.error_message
    assert PASSWORD not in repr(reported)
    assert reported.memory.frames == 0
    running.client.remove_camera(camera_id)


@pytest.mark.parametrize(
    ("camera_id", "question", "reported"),
    [
        ("nobody", "What?", CameraNotFound),
        ("file", "", InvalidInput),
        ("file", " \n ", InvalidInput),
        ("file", "x" * 1_000_000, InvalidInput),
        ("no such id!", "What?", InvalidInput),
    ],
)
def test_a_bad_question_gets_one_clear_error(
    running: Running, camera_id: str, question: str, reported: type[HermesError]
) -> None:
    with pytest.raises(reported):
        list(running.client.ask(camera_id, question, timeout=20))


def test_redis_restarts_and_everything_comes_back(running: Running, steady: None) -> None:
    """Killed, and up again without its data, while frames and questions flow."""
    before = running.until("steady", online(3)).memory.coverage.frames_seen
    local = running.pipeline.redis
    assert local is not None
    assert local.process is not None
    port = int(local.url.rsplit(":", 1)[1].split("/")[0])
    local.process.kill()
    local.process.wait()
    with pytest.raises(HermesError):
        running.answer("steady")
    # An empty folder: what Redis knew is gone, and its owners must put it back.
    fresh = redis_server.start(running.pipeline.folder / "redis-again", port=port)
    local.process = fresh.process
    after = running.until(
        "steady", lambda camera: online(3)(camera) and camera.memory.coverage.frames_seen > before
    )
    assert running.answer("steady") >= after.memory.coverage.frames_seen
    running.until("file", lambda camera: camera.memory.state == "serving")
    assert running.answer("file") >= 30


def test_the_command_line_asks_too(running: Running) -> None:
    command = [sys.executable, "-m", "services.cli.main"]
    asked = subprocess.run(
        [*command, "ask", "file", "What is there?", "--max-tokens", "3", "--json", "-g",
         running.address],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    lines = asked.stdout.splitlines()
    assert all(line.startswith('{"delta"') for line in lines[:-1])
    assert lines[-1].startswith('{"complete"')
    refused = subprocess.run(
        [*command, "camera", "get", "nobody", "-g", running.address],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: there is no camera 'nobody'")


def test_no_password_was_ever_written(running: Running) -> None:
    assert "camera_gained" in running.logs()
    assert PASSWORD not in running.logs()
