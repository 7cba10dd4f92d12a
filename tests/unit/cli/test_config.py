"""What `hermes up` is told is checked, and no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.errors import InvalidInput
from services.cli.config import CameraConfig, UpConfig, camera_of_flag, read_config


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hermes.yaml"
    path.write_text(text)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "model: /models/x\ncameras:\n  - {id: a, url: 'rtsp://h/1', fps: 0.5}\n"
        "  - {id: b, url: b.mp4, pacing: live, loop: true}\n",
    )
    config = read_config(path)
    assert config.model == "/models/x"
    assert config.cameras[1] == CameraConfig(id="b", url="b.mp4", pacing="live", loop=True)


def test_flags_win(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, "cameras: [{id: a, url: 'rtsp://h/1'}]"))
    both = config.overridden(
        [camera_of_flag("a=rtsp://h/2"), camera_of_flag("b=x=y.mp4")], "m", "", "", None
    )
    assert [(c.id, c.url) for c in both.cameras] == [("a", "rtsp://h/2"), ("b", "x=y.mp4")]
    assert (both.model, both.device) == ("m", "auto")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, "")) == UpConfig()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cameras: [{id: a, url: 'rtsp://u:hunter2@h/1', fps: 99}]", "cameras.0.fps"),
        ("cameras: [{id: a, url: 'rtsp://u:hunter2@h/1', speed: 1}]", "cameras.0.speed"),
        ("cameras: 'rtsp://u:hunter2@h/1'", "cameras"),
        ("cameras: [{id: a, url: 'rtsp://u:hunter2@h/1'", "is not YAML at line 1"),
        ("- a\n", "the file"),
        ("model: 2001-99-99", "is not YAML"),
        ("model: !!float x", "is not YAML"),
        ("model: \0", "is not YAML"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_shown(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_config(written(tmp_path, text))
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "flag", ["", "lobby", "=rtsp://h/1", "lobby=", "rtsp://u:hunter2@h/1", "x" * 65 + "=a.mp4"]
)
def test_a_flag_is_id_and_url(flag: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        camera_of_flag(flag)
    assert "hunter2" not in str(refused.value)
