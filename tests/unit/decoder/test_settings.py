from __future__ import annotations

from pathlib import Path

import pytest

from services.common.settings import load
from services.decoder.settings import DecoderSettings


def test_the_defaults_allow_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HERMES_MEDIA_ROOT", raising=False)
    policy = load(DecoderSettings, "hermes-decoder", []).policy
    assert policy.media_root is None
    assert policy.protocols == {"rtsp", "rtsps", "http", "https"}


def test_flags_and_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HERMES_MEDIA_ROOT", str(tmp_path))
    monkeypatch.setenv("HERMES_PROTOCOLS", "rtsp, RTSPS")
    settings = load(DecoderSettings, "hermes-decoder", ["--frame-size", "448", "--capacity", "3"])
    assert settings.policy.media_root == tmp_path
    assert settings.policy.protocols == {"rtsp", "rtsps"}
    assert (settings.frame_size, settings.capacity) == ("448", 3)


@pytest.mark.parametrize(
    ("argv", "flag"),
    [
        (["--protocols", "rtsp,gopher"], "--protocols"),
        (["--frame-size", "big"], "--frame-size"),
        (["--frames-per-second", "31"], "--frames-per-second"),
        (["--redis-url", "http://x"], "--redis-url"),
    ],
)
def test_what_cannot_be_used_is_named(
    argv: list[str], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load(DecoderSettings, "hermes-decoder", argv)
    assert flag in capsys.readouterr().err


def test_every_setting_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(DecoderSettings, "hermes-decoder", ["--help"])
    shown = capsys.readouterr().out
    for name, field in DecoderSettings.model_fields.items():
        assert "--" + name.replace("_", "-") in shown
        assert field.description
