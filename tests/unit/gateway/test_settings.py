"""Settings of the gateway: what they mean, and how wrong ones are told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.common.settings import load
from services.query_gateway.main import write_announcement
from services.query_gateway.settings import GatewaySettings


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HERMES_MEDIA_ROOT", str(tmp_path))
    monkeypatch.setenv("HERMES_PROTOCOLS", "rtsps, HTTPS")
    monkeypatch.setenv("HERMES_MAX_OPEN_QUESTIONS", "3")
    settings = load(
        GatewaySettings, "hermes-gateway", ["--max-open-questions", "5", "--reflection"]
    )
    policy = settings.source_policy()
    assert policy.media_root == tmp_path
    assert policy.protocols == {"rtsps", "https"}
    assert settings.max_open_questions == 5
    assert settings.reflection


@pytest.mark.parametrize(
    "args",
    [
        ["--listen", "50051"],
        ["--listen", "host:99999"],
        ["--protocols", "rtsp,ftp"],
        ["--max-open-questions", "0"],
        ["--default-deadline-s", "0"],
        ["--redis-url", "http://x"],
    ],
)
def test_what_cannot_be_used_is_told_by_its_flag(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        load(GatewaySettings, "hermes-gateway", args)
    assert caught.value.code == 2
    assert args[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:0", "127.0.0.1:1234"),
        ("[::]:0", "127.0.0.1:1234"),
        ("10.1.2.3:0", "10.1.2.3:1234"),
    ],
)
def test_the_announcement_can_be_connected_to(tmp_path: Path, listen: str, address: str) -> None:
    gateway = cast(Any, SimpleNamespace(port=1234, metrics_port=5678))
    write_announcement(tmp_path / "gateway.json", listen, gateway)
    assert json.loads((tmp_path / "gateway.json").read_text()) == {
        "address": address,
        "metrics_port": 5678,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.json"]
