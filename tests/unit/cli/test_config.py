"""The settings of `hermes up` are checked, and no password is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes.client import Picture
from hermes.errors import InvalidInput
from services.cli.config import CameraConfig, UpConfig, camera_of_flag, read_config
from services.cli.main import app


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


def test_corrections_of_a_picture_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "cameras:\n  - id: a\n    url: rtsp://h/1\n    picture:\n      rotate: 90\n"
        "      aspect: 16:9\n      transport: udp\n      color: bt709-full\n"
        "  - {id: b, url: a.mp4, picture: {aspect: '4:3', mirror: true}}\n",
    )
    first, second = (camera.picture.picture for camera in read_config(path).cameras)
    assert first == Picture(rotate=90, aspect="16:9", transport="udp", color="bt709-full")
    assert second == Picture(aspect="4:3", mirror=True)


@pytest.mark.parametrize("fault", ["rotate: 45", "aspect: wide", "transport: x", "color: red"])
def test_a_correction_that_cannot_be_made_is_named_with_its_place(
    tmp_path: Path, fault: str
) -> None:
    text = f"cameras:\n  - id: a\n    url: rtsp://h/1\n    picture:\n      {fault}\n"
    with pytest.raises(InvalidInput, match=r"line 5, column \d+: cameras.0.picture.") as refused:
        read_config(written(tmp_path, text))
    assert f"picture.{fault.partition(':')[0]}: is " in str(refused.value)


def test_labels_and_display_names_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "cameras:\n  - id: a\n    url: rtsp://h/1\n"
        "    labels: {site: dock, example.com/floor: '2'}\n    display_name: Dock, gate 3\n"
        "  - {id: b, url: a.mp4, labels: {}, display_name: ''}\n  - {id: c, url: a.mp4}\n",
    )
    read = [(camera.labels, camera.display_name) for camera in read_config(path).cameras]
    assert read == [
        ({"site": "dock", "example.com/floor": "2"}, "Dock, gate 3"),
        ({}, ""),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("lines", "reported"),
    [
        ("labels:\n      site: a b", "line 5, column 13: cameras.0.labels.site: the value has ' '"),
        (
            "labels:\n      site: a\n      floor: 2",
            "line 6, column 14: cameras.0.labels.floor: the",
        ),
        ("labels: {floor: 2}", 'write it in quotes, like "2"'),
        ("labels: {wet: on}", "cameras.0.labels.wet: the value is no text"),
        ("labels: {2: a}", "the key is no text"),
        ("labels:\n      a b: x", "line 5, column 12: cameras.0.labels.***: the key has ' ' at"),
        ("labels: {a.b/-c: x}", "cameras.0.labels.a.b/-c: the key must begin and end"),
        ("labels: {'u:hunter2@h/1': x}", "cameras.0.labels.***: the key has ':' at"),
        ("labels: {a: x, a: y}", "line 4, column 23: cameras.0.labels.a: stands twice"),
        ("labels: site=dock", "line 4, column 13: cameras.0.labels"),
        (
            "labels: {" + ", ".join(f"k{n}: x" for n in range(33)) + "}",
            "line 4, column 13: cameras.0.labels: there are 33 labels; 32 are allowed",
        ),
        (r'display_name: "a\nb"', "line 4, column 19: cameras.0.display_name: has a control"),
        (f"display_name: {'a' * 129}", "cameras.0.display_name: has 129 characters"),
    ],
)
def test_a_mistake_in_a_label_or_a_name_has_its_place(
    tmp_path: Path, lines: str, reported: str
) -> None:
    text = f"cameras:\n  - id: a\n    url: rtsp://h/1\n    {lines}\n"
    with pytest.raises(InvalidInput) as refused:
        read_config(written(tmp_path, text))
    assert reported in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_flags_win(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, "cameras: [{id: a, url: 'rtsp://h/1'}]"))
    both = config.overridden(
        [camera_of_flag("a=rtsp://h/2"), camera_of_flag("b=x=y.mp4")],
        model="m",
        device="",
        media_root=None,
    )
    assert [(c.id, c.url) for c in both.cameras] == [("a", "rtsp://h/2"), ("b", "x=y.mp4")]
    assert (both.model, both.device) == ("m", "auto")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, "")) == UpConfig()


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("cameras: [{id: a, url: 'rtsp://u:hunter2@h/1', fps: 99}]", "cameras.0.fps"),
        ("cameras: [{id: a, url: 'rtsp://u:hunter2@h/1', speed: 1}]", "cameras.0.speed"),
        ("cameras: 'rtsp://u:hunter2@h/1'", "cameras"),
        ("cameras: [{id: a, url: 'rtsp://u:hunter2@h/1'", "is not YAML at line 1"),
        ("cameras: [{id: a, 'u:hunter2@h/1': 1, url: x}]", "cameras.0.***"),
        ("cameras: [{id: 'u:hunter2@h/1', url: x}]", "cameras.0.id"),
        ("- a\n", "the file"),
        ("null: u:hunter2@h/1", "Keys should be strings"),
        ("1: x\ncameras: [1, {id: a, url: b}]", "line 2, column 11: cameras.0"),
        ("model: 2001-99-99", "is not YAML"),
        ("model: !!float x", "is not YAML"),
        ("model: \0", "is not YAML"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_fault_is_named_and_no_secret_is_shown(tmp_path: Path, text: str, reported: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_config(written(tmp_path, text))
    assert reported in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "flag",
    [
        *("", "lobby", "=rtsp://h/1", "lobby=", "rtsp://u:hunter2@h/1", "x" * 65 + "=a.mp4"),
        # With a "=" of its own, or without a scheme.
        *("rtsp://u:hunter2@h/1?a=b", "u:hunter2@h/1", "u:hunter2@h/1?a=b", "=u:hunter2@h/1"),
        *("rtsp://h/1?pin=hunter2", "rtsp://h/hunter2/1", "=hunter2", "lo bby=hunter2"),
    ],
)
def test_a_flag_is_id_and_url(flag: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        camera_of_flag(flag)
    assert "hunter2" not in str(refused.value)


def test_a_flag_without_a_url_is_named() -> None:
    with pytest.raises(InvalidInput, match="'lobby' is not ID=URL"):
        camera_of_flag("lobby")


@pytest.mark.parametrize("url", ["u:hunter2@h/1", "h/1?pin=hunter2", "u:hunter2@h:554/live?a=b"])
def test_a_url_without_a_scheme_is_not_repeated(url: str) -> None:
    ran = CliRunner().invoke(app, ["up", "--camera", f"lobby={url}"])
    assert ran.exit_code == 1
    assert "camera lobby" in ran.output
    assert "hunter2" not in ran.output


def test_a_file_that_is_not_there_is_named() -> None:
    ran = CliRunner().invoke(app, ["up", "--camera", "lobby=no-such.mp4"])
    assert ran.exit_code == 1
    assert "no-such.mp4" in ran.output.replace("\n", "")
