"""The Python example, run as a person runs it, against a real gateway."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import redis

from hermes.errors import CameraNotReady
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import End, Fail, FakeWorker, Hang, Say
from tests.support.gateway import running_gateway
from tests.support.tokens import write_tokens

ROOT = Path(__file__).resolve().parents[3]


async def start(*args: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / "python" / "ask.py"),
        *args,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_answer_is_printed_as_it_is_written(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("One "), Hang()]]
    process = await start(f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.read(4), 20) == b"One "
    process.send_signal(2)
    await asyncio.wait_for(worker.calls[0].ended.wait(), 2)
    assert worker.calls[0].cancelled_at is not None
    assert await process.wait() == 130


async def test_the_last_line_summarises_the_answer(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("A red "), Say("car."), End()]]
    process = await start(f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err
    answer, _, summary = out.decode().partition("\n\n")
    assert answer == "A red car."
    assert summary.startswith("fake-model: 3 tokens, stop; first token ")


async def test_an_error_is_one_line(gateway: Gateway) -> None:
    process = await start(f"127.0.0.1:{gateway.port}", "nowhere", "What is there?")
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert out == b""
    assert err.decode().startswith("CAMERA_NOT_FOUND: there is no camera 'nowhere'")
    assert len(err.decode().splitlines()) == 1


async def test_a_question_refused_for_now_is_asked_again(
    redis_url: str, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Fail(CameraNotReady("replaying", 0.1))], [Say("A car."), End()]]
    async with running_gateway(redis_url, hand_over_wait_s=0) as gateway:
        process = await start(f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err
    assert out.startswith(b"A car.\n")
    assert len(worker.calls) == 2


async def test_wrong_usage() -> None:
    process = await start("127.0.0.1:1")
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert err.startswith(b"usage: ")


async def test_it_sends_a_token(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, worker: FakeWorker, lobby: str
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", desk="ask:lobby")
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
        for token, status in (tokens["desk"], 0), ("", 1):
            arguments = (f"127.0.0.1:{gateway.port}", "lobby", "What is there?")
            process = await start(*arguments, HERMES_TOKEN=token)
            _, err = await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == status, err
            assert (b"UNAUTHENTICATED" in err) == (not token)
