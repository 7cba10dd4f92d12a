"""`hermes-gateway` as a process: its announcement, its ports, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hermes import errors
from hermes.client import AsyncHermesClient
from tests.support.fake_worker import End, FakeWorker, Say
from tests.support.tokens import write_tokens


@dataclass
class Running:
    process: asyncio.subprocess.Process
    address: str
    metrics_port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5
            ) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@asynccontextmanager
async def gateway_process(
    folder: Path, redis_url: str, *flags: str, **environment: str
) -> AsyncIterator[Running]:
    announce, log = folder / "announce.json", folder / "log.jsonl"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.query_gateway.main",
            "--listen", "127.0.0.1:0", "--metrics-host", "127.0.0.1", *flags,
            env={
                **os.environ, "HERMES_REDIS_URL": redis_url, "HERMES_ANNOUNCE": str(announce),
                **environment,
            },
            stderr=stderr,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 15
        while not announce.exists():
            assert process.returncode is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.02)
        announced = json.loads(announce.read_text())
        yield Running(process, announced["address"], announced["metrics_port"], log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_sigterm_lets_open_answers_finish(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("a "), Say("red ", 0.6), Say("car", 0.6), End()]]
    async with (
        gateway_process(tmp_path, redis_url, "--drain-grace-s", "10") as running,
        AsyncHermesClient(running.address) as client,
        grpc.aio.insecure_channel(running.address) as channel,
    ):
        assert (await asyncio.to_thread(running.get, "/readyz"))[0] == 200
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="hermes.v1.QueryService"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stream = client.ask("lobby", "what?")
        assert await anext(stream) == "a "

        stopped = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await asyncio.to_thread(running.get, "/readyz"))[0] == 503
        assert (await asyncio.to_thread(running.get, "/healthz"))[0] == 200
        with pytest.raises(errors.Unavailable):
            async with AsyncHermesClient(running.address) as late:
                await late.list_cameras()
        status, metrics = await asyncio.to_thread(running.get, "/metrics")
        assert status == 200
        assert "hermes_time_to_first_token_seconds" in metrics
        assert (await stream.result()).text == "a red car"
        assert await asyncio.wait_for(running.process.wait(), 20) == 0
        # It waited for the answer, and neither for the health watch nor for the whole grace.
        assert 1.0 < time.monotonic() - stopped < 10
    events = [json.loads(line)["event"] for line in running.log.read_text().splitlines()]
    assert events[-2:] == ["draining", "stopped"]


async def test_sigterm_waits_no_longer_than_the_grace(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Say("never", 60)]]
    async with (
        gateway_process(tmp_path, redis_url, HERMES_DRAIN_GRACE_S="0.3") as running,
        AsyncHermesClient(running.address) as client,
    ):
        stream = client.ask("lobby", "what?")
        assert await anext(stream) == "begun"
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(errors.Unavailable):
            await stream.result()
        assert await asyncio.wait_for(running.process.wait(), 20) == 0
        await asyncio.wait_for(worker.calls[0].ended.wait(), 1)
        assert worker.calls[0].cancelled_at is not None


async def test_it_starts_without_redis_and_is_ready_once_redis_is(
    tmp_path: Path, redis_url: str
) -> None:
    """A wrong Redis at first: alive, not ready, not announced."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.query_gateway.main",
            "--listen", "127.0.0.1:0", "--announce", str(tmp_path / "announce.json"),
            "--metrics-host", "127.0.0.1",
            "--redis-url", f"redis://:hunter2@127.0.0.1:{port}/0",
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            log = b""
            while b"redis_unreachable" not in log:
                log += await asyncio.wait_for(process.stderr.readline(), 15)
            assert process.returncode is None
            assert not (tmp_path / "announce.json").exists()
            assert b"hunter2" not in log
            listening = next(json.loads(line) for line in log.splitlines() if b"listening" in line)
            running = Running(process, "", listening["metrics_port"], tmp_path)
            assert (await asyncio.to_thread(running.get, "/healthz"))[0] == 200
            assert (await asyncio.to_thread(running.get, "/readyz"))[0] == 503
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path, redis_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.query_gateway.main", "--listen", listen,
            "--metrics-host", "127.0.0.1", "--redis-url", redis_url,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, log = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    ours = [json.loads(line) for line in log.splitlines() if line.startswith(b"{")]
    assert ours[-1]["event"] == "cannot_start"
    assert listen in ours[-1]["error"]
    assert b"Traceback" not in log


async def test_an_unusable_token_file_is_reported_in_one_line(
    tmp_path: Path, redis_url: str
) -> None:
    path = tmp_path / "tokens.yaml"
    for text in (None, "- {name: desk}"):
        if text is not None:
            path.write_text(text)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.query_gateway.main", "--listen", "127.0.0.1:0",
            "--metrics-host", "127.0.0.1", "--redis-url", redis_url, "--tokens-file", str(path),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, log = await asyncio.wait_for(process.communicate(), 15)
        assert process.returncode == 1
        line = json.loads(log.splitlines()[-1])
        assert line["event"] == "cannot_start"
        assert str(path) in line["error"]
        assert b"Traceback" not in log


async def test_a_token_is_in_no_log(
    tmp_path: Path, redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", desk="ask:lobby")
    flags = ("--tokens-file", str(tmp_path / "tokens.yaml"), "--log-level", "debug")
    async with gateway_process(tmp_path, redis_url, *flags) as running:
        for token in (tokens["desk"], "hermes_nobodys"):
            async with AsyncHermesClient(running.address, token=token) as client:
                try:
                    await client.ask("lobby", "what?").result()
                except errors.Unauthenticated:
                    continue
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.process.wait(), 20) == 0
        log = running.log.read_text()
    (line,) = [line for line in map(json.loads, log.splitlines()) if line["event"] == "audit"]
    assert (line["who"], line["camera"], line["code"]) == ("token:desk", "lobby", "OK")
    assert tokens["desk"] not in log
    assert "hermes_nobodys" not in log
    assert str(tmp_path / "tokens.yaml") in log


async def test_reflection_needs_its_flag(tmp_path: Path, redis_url: str) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async def services(address: str) -> set[str]:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            # Not `write`: it fails with a status of its own where the server refuses quickly.
            reply = await stub.ServerReflectionInfo(iter([request]), timeout=5).read()
            return {service.name for service in reply.list_services_response.service}

    async with gateway_process(tmp_path, redis_url, "--reflection") as running:
        assert await services(running.address) == {
            "hermes.v1.CameraService",
            "hermes.v1.MemoryService",
            "hermes.v1.EventService",
            "hermes.v1.QueryService",
            "hermes.v1.WatchService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
    (tmp_path / "announce.json").unlink()
    async with gateway_process(tmp_path, redis_url) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await services(running.address)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
