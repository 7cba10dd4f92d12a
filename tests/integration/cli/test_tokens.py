"""`hermes token`, and commands that send one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner

from services.cli.main import app
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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("token", "desk", "-s", "write:lobby"), "'write:lobby' is no scope"),
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
