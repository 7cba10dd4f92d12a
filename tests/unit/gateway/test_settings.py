"""Settings of the gateway: their meaning, and the errors for wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.settings import load
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
    ("args", "reported"),
    [
        (["--jwt-jwks", "http://issuer/jwks", "--jwt-issuer", "i", "--jwt-audience", "a"], "https"),
        (
            ["--jwt-jwks", "/no/such/file", "--jwt-issuer", "i", "--jwt-audience", "a"],
            "existing file",
        ),
        (["--jwt-jwks", "https://issuer/jwks", "--jwt-issuer", "i"], "--jwt-audience"),
        (["--jwt-jwks", "https://issuer/jwks", "--jwt-audience", "a"], "--jwt-issuer"),
        (["--jwt-audience", "a"], "--jwt-jwks"),
        (["--tokens-file", "x", "--reflection"], "--reflection"),
        (["--caller-calls-per-second", "0"], "--caller-calls-per-second"),
    ],
)
def test_incomplete_authentication_is_refused(
    args: list[str], reported: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load(GatewaySettings, "hermes-gateway", args)
    assert reported in capsys.readouterr().err


def test_authentication_is_off_unless_it_is_asked_for() -> None:
    assert not load(GatewaySettings, "hermes-gateway", []).authenticated
    assert load(GatewaySettings, "hermes-gateway", ["--tokens-file", "x"]).authenticated
    issuer = ["--jwt-issuer", "i", "--jwt-audience", "a", "--jwt-jwks", "https://issuer/jwks"]
    assert load(GatewaySettings, "hermes-gateway", issuer).authenticated
