"""TLS at the gateway, mutual TLS at the worker: who is let in, and certificates that change."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import redis
from typer.testing import CliRunner

from hermes import errors
from hermes.client import AsyncHermesClient, HermesClient, Tls
from hermes.v1.query_pb2 import Question
from hermes.v1.worker_pb2 import WorkerServiceAskRequest
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.cli.main import app
from services.common.tls import ServerTls
from services.query_gateway import worker_tls
from tests.support.certificates import CLIENT, SERVER, Authority, Files
from tests.support.fake_worker import End, FakeWorker, Say
from tests.support.gateway import running_gateway

WORKER = "hermes-worker"


@pytest.fixture(scope="session")
def cluster() -> Authority:
    return Authority("cluster")


@pytest.fixture(scope="session")
def stranger() -> Authority:
    return Authority("stranger")


@pytest.fixture
def of_worker(cluster: Authority, tmp_path: Path) -> Files:
    return cluster.issue(tmp_path / "worker", WORKER, purposes=(SERVER,))


@pytest.fixture
def of_gateway(cluster: Authority, tmp_path: Path) -> Files:
    return cluster.issue(tmp_path / "gateway", "gateway.example")


@pytest.fixture
async def worker(of_worker: Files) -> AsyncIterator[FakeWorker]:
    worker = FakeWorker(tls=ServerTls(of_worker.cert, of_worker.key, of_worker.ca))
    await worker.start()
    yield worker
    await worker.stop()


def settings_of(files: Files, **changes: Any) -> dict[str, Any]:
    return {
        "tls_cert_file": files.cert,
        "tls_key_file": files.key,
        "worker_tls_ca_file": files.ca,
        "worker_tls_cert_file": files.cert,
        "worker_tls_key_file": files.key,
        "worker_tls_name": WORKER,
        **changes,
    }


@asynccontextmanager
async def asking(address: str, tls: Tls | None) -> AsyncIterator[Any]:
    """A worker's Ask over a separate connection."""
    options = [("grpc.use_local_subchannel_pool", 1), *(tls.options if tls else [])]
    async with (
        grpc.aio.insecure_channel(address, options=options)
        if tls is None
        else grpc.aio.secure_channel(address, tls.read().credentials(), options=options)
    ) as channel:
        stub: Any = WorkerServiceStub(channel)  # type: ignore[no-untyped-call]

        async def ask() -> str:
            request = WorkerServiceAskRequest(question=Question(text="what?"), epoch=1)
            responses = [response async for response in stub.Ask(request, timeout=5)]
            return "".join(response.delta.text for response in responses)

        yield ask


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_question_goes_through_both(
    redis_url: str, redis_client: redis.Redis, worker: FakeWorker, lobby: str, of_gateway: Files
) -> None:
    trusting = Tls(ca_file=of_gateway.ca, server_name="gateway.example")
    async with running_gateway(redis_url, **settings_of(of_gateway)) as gateway:
        address = f"127.0.0.1:{gateway.port}"
        async with AsyncHermesClient(address, tls=trusting) as client:
            assert (await client.ask("lobby", "what?").result()).text == "a red car"
            assert (await client.inspect("lobby")).frames_seen == 5

        def blocking() -> str:
            with HermesClient(address, tls=trusting) as client:
                return client.ask("lobby", "what?").result().text

        assert await asyncio.to_thread(blocking) == "a red car"
        ran = await asyncio.to_thread(
            CliRunner().invoke,
            app,
            ["--ca-file", str(of_gateway.ca), "camera", "list", "--json", "-g", address],
        )
        assert ran.exit_code == 0, ran.output
        assert [camera["id"] for camera in json.loads(ran.output)] == ["lobby"]


async def test_callers_without_the_right_certificate_are_refused_by_a_worker(
    worker: FakeWorker, cluster: Authority, stranger: Authority, tmp_path: Path
) -> None:
    good = cluster.issue(tmp_path / "good", "gateway", purposes=(CLIENT,))
    expired = cluster.issue(tmp_path / "expired", "gateway", valid=timedelta(minutes=-1))
    foreign = stranger.issue(tmp_path / "foreign", "gateway")
    colleague = cluster.issue(tmp_path / "colleague", "another-worker", purposes=(SERVER,))
    async with asking(worker.address, Tls(good.ca, good.cert, good.key)) as ask:
        assert await ask() == "a red car"
    refused = {
        "no certificate": Tls(good.ca),
        "expired": Tls(good.ca, expired.cert, expired.key),
        "of another authority": Tls(good.ca, foreign.cert, foreign.key),
        "for servers alone": Tls(good.ca, colleague.cert, colleague.key),
        "plain text": None,
    }
    for why, tls in refused.items():
        async with asking(worker.address, tls) as ask:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask()
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE, why
    assert len(worker.calls) == 1


@pytest.mark.parametrize("wrong", ["name", "authority", "plain text"])
async def test_an_untrusted_worker_is_not_asked(
    redis_url: str,
    worker: FakeWorker,
    lobby: str,
    of_gateway: Files,
    stranger: Authority,
    tmp_path: Path,
    wrong: str,
) -> None:
    settings = settings_of(of_gateway)
    if wrong == "name":
        settings["worker_tls_name"] = "another"
    elif wrong == "authority":
        settings["worker_tls_ca_file"] = stranger.issue(tmp_path / "foreign", WORKER).ca
    else:
        settings = {k: v for k, v in settings.items() if not k.startswith("worker_tls")}
    async with (
        running_gateway(redis_url, **settings) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}", tls=Tls(of_gateway.ca)) as client,
    ):
        with pytest.raises(errors.Unavailable, match="went away"):
            await client.ask("lobby", "what?").result()
    assert not worker.calls


async def test_a_client_of_the_wrong_kind_gets_a_clear_error(
    redis_url: str,
    redis_client: redis.Redis,
    of_gateway: Files,
    stranger: Authority,
    tmp_path: Path,
) -> None:
    foreign = stranger.issue(tmp_path / "foreign", "gateway.example")
    async with running_gateway(redis_url, **settings_of(of_gateway)) as gateway:
        address = f"127.0.0.1:{gateway.port}"
        async with AsyncHermesClient(address) as client:
            with pytest.raises(errors.Unavailable, match=rf"{address} \(in plain text\)"):
                await client.list_cameras()
        async with AsyncHermesClient(address, tls=Tls(foreign.ca)) as client:
            with pytest.raises(errors.Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await client.list_cameras()
        async with AsyncHermesClient(address, tls=Tls(of_gateway.ca, server_name="b")) as client:
            with pytest.raises(errors.Unavailable, match="Hostname Verification"):
                await client.list_cameras()


async def test_a_gateway_may_ask_its_clients_for_certificates(
    redis_url: str,
    redis_client: redis.Redis,
    of_gateway: Files,
    stranger: Authority,
    tmp_path: Path,
) -> None:
    """Clients' certificates have another authority than the cluster's."""
    guest = stranger.issue(tmp_path / "guest", "guest", purposes=(CLIENT,))
    changes = {"tls_client_ca_file": guest.ca}
    async with running_gateway(redis_url, **settings_of(of_gateway, **changes)) as gateway:
        address = f"127.0.0.1:{gateway.port}"
        tls = Tls(of_gateway.ca, guest.cert, guest.key)
        async with AsyncHermesClient(address, tls=tls) as client:
            assert await client.list_cameras() == []
        async with AsyncHermesClient(address, tls=Tls(of_gateway.ca)) as client:
            with pytest.raises(errors.Unavailable):
                await client.list_cameras()


async def test_a_server_shows_its_new_certificate_while_calls_go_on(
    worker: FakeWorker, cluster: Authority, of_worker: Files, of_gateway: Files
) -> None:
    def tls(name: str) -> Tls:
        return Tls(of_gateway.ca, of_gateway.cert, of_gateway.key, name)

    worker.scripts = [[Say("a "), Say("red ", 1.0), End()], [Say("new"), End()]]
    async with asking(worker.address, tls(WORKER)) as ask:
        answer = asyncio.create_task(ask())
        await until(lambda: bool(worker.calls))
        cluster.issue(of_worker.folder, "renewed", purposes=(SERVER,))
        async with asking(worker.address, tls("renewed")) as ask_new:
            assert await ask_new() == "new"
        async with asking(worker.address, tls(WORKER)) as ask_old:
            with pytest.raises(grpc.aio.AioRpcError, match="Hostname Verification"):
                await ask_old()
        assert not answer.done()
        assert await answer == "a red "


async def test_files_that_do_not_match_are_not_used(
    worker: FakeWorker,
    cluster: Authority,
    of_worker: Files,
    of_gateway: Files,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One file is written before the other: the old pair stays in use until both are there."""
    tls = Tls(of_gateway.ca, of_gateway.cert, of_gateway.key, WORKER)
    old_key = of_worker.key.read_bytes()
    cluster.issue(of_worker.folder, WORKER)
    new_key = of_worker.key.read_bytes()
    for broken, why in (
        (old_key, "is not the key of the certificate in"),
        (b"", "holds no key in PEM"),
    ):
        of_worker.key.write_bytes(broken)
        for _ in range(2):
            async with asking(worker.address, tls) as ask:
                assert await ask() == "a red car"
        logged = [line for line in "".join(capsys.readouterr()).splitlines() if why in line]
        assert len(logged) == 1
        assert "certificate_not_reloaded" in logged[0]
    of_worker.key.write_bytes(new_key)
    async with asking(worker.address, tls) as ask:
        assert await ask() == "a red car"
    assert "certificate_loaded" in "".join(capsys.readouterr())


async def test_a_gateway_shows_its_new_certificate_while_answers_go_on(
    redis_url: str,
    redis_client: redis.Redis,
    worker: FakeWorker,
    lobby: str,
    of_worker: Files,
    of_gateway: Files,
    stranger: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The authority by which workers accept gateways is replaced at once."""
    monkeypatch.setattr(worker_tls, "LOOK_EVERY_S", 0.05)
    worker.scripts = [[Say("a "), Say("red ", 1.0), End()], [Say("new"), End()]]
    shown = Files(shutil.copytree(of_gateway.folder, tmp_path / "shown"))
    changes = {"worker_tls_cert_file": shown.cert, "worker_tls_key_file": shown.key}
    async with AsyncExitStack() as stack:
        settings = settings_of(of_gateway, **changes)
        gateway = await stack.enter_async_context(running_gateway(redis_url, **settings))
        client = await stack.enter_async_context(
            AsyncHermesClient(f"127.0.0.1:{gateway.port}", tls=Tls(of_gateway.ca))
        )
        answer = client.ask("lobby", "what?")
        assert await anext(answer) == "a "
        of_worker.ca.write_bytes(stranger.pem)
        stranger.issue(shown.folder, "renewed", purposes=(CLIENT,))
        async with asyncio.timeout(5):
            while worker.calls[-1].caller != "renewed":
                assert (await client.ask("lobby", "what?").result()).text == "new"
        assert (await answer.result()).text == "a red "


async def test_missing_files_are_reported_in_one_line_at_start(
    tmp_path: Path, redis_url: str, of_gateway: Files
) -> None:
    missing = tmp_path / "none.crt"
    settings = settings_of(of_gateway, tls_cert_file=missing)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.query_gateway.main", "--listen", "127.0.0.1:0",
        "--metrics-host", "127.0.0.1", "--redis-url", redis_url,
        env={**os.environ, **{f"HERMES_{k.upper()}": str(v) for k, v in settings.items()}},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, log = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert b"Traceback" not in log
    last = json.loads(log.splitlines()[-1])
    assert last["event"] == "cannot_start"
    assert last["error"] == f"{missing} cannot be read: No such file or directory"
