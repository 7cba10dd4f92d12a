"""What `hermes up` is asked for is checked as a whole, before anything starts."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.config import read_config_file
from services.cli.main import app
from services.common.listening import why_not_listen
from services.common.yaml_marks import marks_of
from tests.support import program, tiny, tiny_hub


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is read in this process, which has imported PyTorch already."""

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert command[:2] == [sys.executable, "-m"]
        return program.run(*command[2:])

    monkeypatch.setattr(subprocess, "run", run)


def refused(*flags: str) -> str:
    ran = CliRunner().invoke(app, ["up", *flags], env={"COLUMNS": "200"})
    assert ran.exit_code == 1, ran.output
    return ran.output


def test_all_faults_are_listed_with_their_places(tmp_path: Path) -> None:
    config = tmp_path / "hermes.yaml"
    config.write_text(
        "device: 'my gpu'\n"
        "cameras:\n"
        "  - {id: a b, url: 'rtsp://u:hunter2@h/1'}\n"
        "  - {id: lobby, url: 'ftp://u:hunter2@h/1'}\n"
        "  - {id: lobby, url: 'rtsp://h/2'}\n"
        "  - {id: dock, url: missing.mp4}\n"
        "  - {id: roof, url: 'rtsp://h/3', loop: true}\n"
        "  - {id: yard, url: 'rtsp://h/4', fps: 99}\n"
    )
    told = refused(
        *("--config", str(config), "--camera", "x", "--listen", "nowhere"),
        *("--http", "nowhere"),
        *("-c", "gate=rtsp://h/5", "-c", "gate=rtsp://h/6"),
    )
    assert "hunter2" not in told
    assert "nothing was started" in told
    for fault in (
        "line 3, column 10: cameras.0.id: ",
        "line 5, column 5: there is a camera lobby already, at line 4, column 5",
        "line 4, column 5: camera lobby: url protocol 'ftp' is not allowed",
        f"line 6, column 5: camera dock: there is no such file: {tmp_path / 'missing.mp4'}",
        "line 7, column 5: camera roof: loop only a file",
        "line 8, column 40: cameras.5.fps: ",
        "line 1, column 9: device: 'my gpu' is not auto, cpu, cuda",
        "listen: 'nowhere' is not HOST:PORT",
        "http: 'nowhere' is not HOST:PORT",
        "--camera: 'x' is not ID=URL",
        "--camera: gate is given 2 times",
    ):
        assert fault in told, fault


def test_a_fault_in_the_file_of_sinks_is_one_of_this_run(tmp_path: Path) -> None:
    config, sinks = tmp_path / "hermes.yaml", tmp_path / "sinks.yaml"
    config.write_text("sinks: sinks.yaml\n")
    assert f"line 1, column 8: sinks: {sinks}: cannot be read" in refused("--config", str(config))
    sinks.write_text("sinks:\n  - {name: app, kind: pager}\n")
    told = refused("--config", str(config))
    assert f"line 1, column 8: sinks: {sinks}: line 2, column 5: sinks.0: " in told


def test_a_key_that_stands_twice_is_a_fault(tmp_path: Path) -> None:
    config = tmp_path / "hermes.yaml"
    config.write_text("model: demo\ncameras: []\nmodel: other\n")
    assert read_config_file(config).faults == ("line 3, column 8: model: stands twice",)


def test_an_alias_that_leads_back_ends() -> None:
    assert marks_of(b"a: &x [*x]").places


def test_paths_of_the_file_are_relative_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    (there / "model").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = there / "hermes.yaml"
    path.write_text(
        "model: model\nmedia_root: films\n"
        "cameras: [{id: a, url: films/a.mp4}, {id: b, url: 'rtsp://h/1'}]\n"
    )
    config = read_config_file(path).config.relative_to(path.parent)
    assert config.model == str(there / "model")
    assert config.media_root == there / "films"
    assert [c.url for c in config.cameras] == [str(there / "films" / "a.mp4"), "rtsp://h/1"]


@pytest.mark.parametrize("model", ["no-such-folder", "a/b/c", "owner/na me"])
def test_a_model_that_cannot_be(model: str) -> None:
    told = refused("--model", model, "--listen", "127.0.0.1:0", "-c", "a=rtsp://h/1")
    assert f"model: {model!r} is no folder that is there, and no owner/name" in told


def test_a_folder_without_a_model(tmp_path: Path, read_here: None) -> None:
    told = refused("--model", str(tmp_path), "--listen", "127.0.0.1:0", "-c", "a=rtsp://h/1")
    assert "not a complete checkpoint" in told
    assert "Traceback" not in told


def test_the_frame_size_of_a_checkpoint() -> None:
    from services.cli.frame_size import frame_size_of

    width, _, height = frame_size_of(str(tiny.folder())).partition("x")
    assert int(width) == int(height) > 0
    assert frame_size_of("owner/name", environ={}) == ""


def test_decoders_are_told_a_size_with_room_for_every_shape(read_here: None) -> None:
    from services.cli.frame_size import frame_size_of, size_for
    from tests.support import tiny_qwen

    def area(size: str) -> int:
        width, _, height = size.partition("x")
        return int(width) * int(height)

    for tokens in (1, 60, 144, 1000):
        assert area(size_for(tokens, 28)) >= tokens * 28 * 28
    chosen = {"HERMES_FRAME_TOKENS": "60"}
    assert area(frame_size_of("owner/name", environ=chosen)) >= 60 * 32 * 32
    folder = str(tiny_qwen.folder("qwen2_5_vl"))
    assert 60 * 28 * 28 <= area(frame_size_of(folder, environ=chosen)) < 70 * 28 * 28
    assert frame_size_of("owner/name", environ={"HERMES_MODEL_FRAME_SIZE": "640x360"}) == "640x360"


def test_the_most_tokens_of_a_frame_are_chosen(read_here: None) -> None:
    """An option counts more than the environment, and decoders send as large pictures."""
    from services.cli.frame_size import frame_size_of, size_for

    environ = {"HERMES_FRAME_TOKENS": "60"}
    folder = str(tiny_hub.folder("qwen2_5_vl"))
    assert frame_size_of(folder, 300, environ) == size_for(300, 28)
    assert frame_size_of("owner/name", 300, environ) == size_for(300, 32)


def test_a_number_of_tokens_that_cannot_be_is_refused(read_here: None) -> None:
    for model, tokens, why in (
        ("demo", 60, "cannot be chosen for demo"),
        (str(tiny_hub.folder("llava_onevision")), 60, "cannot be chosen for this model"),
        (str(tiny_hub.folder("qwen2_5_vl")), 3, "3: this checkpoint's frames have at least 4"),
    ):
        options = ("--listen", "127.0.0.1:0", "-c", "a=rtsp://h/1")
        told = refused("--model", model, f"--frame-tokens={tokens}", *options)
        assert f"frame_tokens: {why}" in told


def test_a_port_that_somebody_has() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refused("--listen", f"127.0.0.1:{port}", "-c", "a=rtsp://h/1")
    assert f"Address already in use: another program has port {port}" in told


def test_an_address_of_another_machine() -> None:
    told = refused("--listen", "192.0.2.1:50051", "-c", "a=rtsp://h/1")
    assert "this machine has no address 192.0.2.1" in told


def test_a_port_that_takes_a_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for somebody who is not root."""

    def bind(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    class Denied(socket.socket):
        pass

    Denied.bind = bind  # type: ignore[method-assign, assignment]
    monkeypatch.setattr(socket, "socket", Denied)
    told = why_not_listen("127.0.0.1:81")
    assert told == (
        "Permission denied: port 81 needs root or CAP_NET_BIND_SERVICE; pick one above 1023"
    )


def test_the_help_shows_defaults_and_every_setting() -> None:
    told = CliRunner().invoke(app, ["up", "--help"], env={"COLUMNS": "160"}).output
    for flag in ("--fps", "--pacing", "--loop", "--budget", "--capacity", "--reflection"):
        assert flag in told
    for default in ("127.0.0.1:50051", "auto", "demo", "64, or as many as", "4000"):
        assert f"[default: ({default}" in told or f"default: {default}" in told, default


def test_the_version() -> None:
    from hermes import __version__

    ran = CliRunner().invoke(app, ["--version"])
    assert (ran.exit_code, ran.output.strip()) == (0, f"hermes {__version__}")


def test_the_launcher_carries_no_model_and_no_codec() -> None:
    """It stays in memory for as long as everything runs."""
    heavy = ["torch", "transformers", "av", "numpy", "PIL", "tokenizers", "prometheus_client"]
    code = f"import services.cli.main, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
