"""The example in another language: tokens come one by one."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import End, FakeWorker, Hang, Say
from tests.support.gateway import running_gateway
from tests.support.tokens import write_tokens

ROOT = Path(__file__).resolve().parents[3]
NODE = shutil.which("node")


@pytest.fixture(autouse=True)
def node() -> None:
    if NODE is None:
        pytest.skip("node is not installed")
    for package in ("@grpc/grpc-js", "@grpc/proto-loader"):
        if not (ROOT / "node_modules" / package).is_dir():
            pytest.skip(f"node_modules/{package} is missing: run npm ci")


async def start(*args: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(NODE),
        str(ROOT / "examples" / "node" / "ask.mjs"),
        *args,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_tokens_come_one_by_one(gateway: Gateway, worker: FakeWorker, lobby: str) -> None:
    words = ["One ", "red ", "car ", "at ", "the ", "gate."]
    worker.scripts = [[*(Say(word, 0.15) for word in words), End()]]
    process = await start(f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
    assert process.stdout is not None
    assert process.stderr is not None
    arrivals: list[float] = []
    text = ""
    while len(text) < len("".join(words)):
        piece = await asyncio.wait_for(process.stdout.read(1000), 20)
        assert piece, await process.stderr.read()
        arrivals.append(time.monotonic())
        text += piece.decode()
    rest = (await process.stdout.read()).decode()
    assert await process.wait() == 0
    assert text == "".join(words)
    assert len(arrivals) == len(words)
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    assert min(gaps) > 0.05, gaps
    found = re.search(r"fake-model: 3 tokens, stop; first token (\d+)\.\d ms,.* total (\d+)", rest)
    assert found is not None, rest
    first_ms, total_ms = map(int, found.groups())
    assert 150 <= first_ms < total_ms - 500, "five more words follow, 0.15 s apart"
    assert "from a ready memory 12.0 ms, a token 5.0 ms, total" in rest


async def test_errors_are_one_line(gateway: Gateway) -> None:
    process = await start(f"127.0.0.1:{gateway.port}", "nowhere", "What is there?")
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert out == b""
    assert err.decode().strip().startswith("NOT_FOUND: there is no camera 'nowhere'")
    assert len(err.decode().strip().splitlines()) == 1


async def test_usage() -> None:
    process = await start("127.0.0.1:1")
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert err.startswith(b"usage: ")


async def test_ctrl_c_stops_the_worker(gateway: Gateway, worker: FakeWorker, lobby: str) -> None:
    worker.scripts = [[Say("begun"), Hang()]]
    process = await start(f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.read(5), 20) == b"begun"
    process.send_signal(2)
    await asyncio.wait_for(worker.calls[0].ended.wait(), 2)
    _, err = await process.communicate()
    assert process.returncode == 1
    assert b"CANCELLED" in err


async def test_it_sends_a_token(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, lobby: str
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", desk="ask:lobby")
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        for token, status in (tokens["desk"], 0), ("", 1):
            arguments = (f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
            process = await start(*arguments, HERMES_TOKEN=token)
            _, err = await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == status, err
            assert (b"UNAUTHENTICATED" in err) == (not token)
