"""`hermes token`, and commands that send one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from services.cli.main import app
from services.query_gateway.access.token_file import TokenFile
from services.query_gateway.access.token_limits import TokenLimits
from tests.support.gateway import register, running_gateway


def hermes(*arguments: str, token: str | None = None) -> tuple[str, str]:
    """A command's output, and what it says is wrong."""
    environment = {"HERMES_TOKEN": token, "HERMES_GATEWAY": None, "COLUMNS": "200"}
    result = CliRunner().invoke(app, arguments, env=environment)
    wrong = "" if result.exit_code == 0 else f"{result.stderr}{result.exception}"
    return result.stdout, wrong


async def test_a_new_token_opens_the_gateway(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    for camera in ("lobby", "dock"):
        register(redis_client, camera)
    out, _ = hermes("token", "desk", "--scope", "read:lobby", "-s", "ask:lobby", "--days", "2")
    token, line = out.splitlines()
    (tmp_path / "tokens.yaml").write_text(line)
    (tmp_path / "token").write_text(f"{token}\n")

    def use(address: str) -> None:
        listed = ("camera", "list", "-g", address)
        assert "HERMES_TOKEN" in hermes(*listed)[1]
        file = ("--token-file", str(tmp_path / "token"))
        for flags, variable in (((), token), (file, "old"), (file, None)):
            out, wrong = hermes(*listed, *flags, token=variable)
            assert wrong == ""
            assert "lobby" in out
            assert "dock" not in out
        out, wrong = hermes("ask", "dock", "what?", "-g", address, token=token)
        assert out == ""
        assert "no scope ask:dock" in wrong
        out, wrong = hermes(*listed, token=f"{token} x")
        assert "characters that no token has" in wrong
        assert token not in out + wrong

    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        await asyncio.to_thread(use, f"127.0.0.1:{gateway.port}")


async def test_limits_of_a_new_token_hold_at_the_gateway(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    limits = ("cameras=1", "watches=2", "followers=3", "cameras_asked=2", "span_s=1.5")
    flags = [flag for limit in limits for flag in ("--limit", limit)]
    out, _ = hermes("token", "guest", "-s", "read:*", "-s", "admin:*", "-s", "ask:*", *flags)
    token, line = out.splitlines()
    (tmp_path / "tokens.yaml").write_text(line)
    guest = TokenFile(tmp_path / "tokens.yaml").caller(token)
    assert guest is not None
    assert guest.limits == TokenLimits(
        cameras=1, watches=2, followers=3, cameras_asked=2, span_s=1.5
    )

    def use(address: str) -> None:
        add = ("camera", "add", "-g", address)
        assert hermes(*add, "yard", "rtsp://yard/live", token=token)[1] == ""
        wrong = hermes(*add, "gate", "rtsp://gate/live", token=token)[1]
        assert "as many cameras as it may (1 of 1)" in wrong
        many = ("ask", "what?", "--cameras", "a,b,c", "-g", address)
        assert "at most 2" in hermes(*many, token=token)[1]

    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        await asyncio.to_thread(use, f"127.0.0.1:{gateway.port}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("token", "desk", "-s", "write:lobby"), "'write:lobby' is no scope"),
        (("token", "desk", "-s", "ask:*", "--limit", "cameras"), "NAME=NUMBER"),
        (("token", "desk", "-s", "ask:*", "--limit", "cameras=nan"), "'cameras=nan' is not"),
        (("token", "desk", "-s", "ask:*", "--limit", "span_s=1e999"), "'span_s=1e999' is not"),
        (("token", "desk", "-s", "ask:*", "--limit", "cameras=1_0"), "'cameras=1_0' is not"),
        (("token", "desk", "-s", "ask:*", "--limit", "cameras=-1"), "--limit: 'cameras=-1': must"),
        (
            ("token", "desk", "-s", "ask:*", "--limit", "cameras=2.5"),
            "'cameras=2.5': must be whole",
        ),
        (("token", "desk", "-s", "ask:*", "--limit", "watch=3"), "'watch' is no limit; known: cam"),
        (("token", "desk", "-s", "ask:*", *("--limit", "watches=3") * 2), "watches is given twice"),
        (("token", "two words", "-s", "ask:lobby"), "0.name"),
        (("token", "desk"), "--scope"),
        (("camera", "list", "--token-file", "/no/such/file"), "/no/such/file"),
        (("camera", "list", "--token-file", sys.executable), "cannot be read as a token"),
        (("ask", "lobby", "what?", "--token", "x"), "No such option"),
    ],
)
def test_what_cannot_be_used_is_told(arguments: tuple[str, ...], told: str) -> None:
    out, wrong = hermes(*arguments)
    assert out == ""
    assert told in wrong
