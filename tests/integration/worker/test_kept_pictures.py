"""Pictures beside a memory: real workers, a real gateway, a real Redis, a real folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import redis
from typer.testing import CliRunner

from hermes import errors
from hermes.client import AsyncHermesClient, FramePicture, HermesClient
from hermes.statuses import error_of
from hermes.v1 import memory_pb2, worker_pb2
from services.cli.main import app
from services.common import keys
from services.hermes_worker.checkpointer import Checkpointer
from services.hermes_worker.picture_store import SUFFIX
from services.hermes_worker.worker import Worker
from tests.support.chunks import jpeg
from tests.support.gateway import running_gateway
from tests.support.holder import remove
from tests.support.tokens import write_tokens
from tests.support.workers import Feeder, calling, checkpoint_id, serving, until, working

PICTURES = [jpeg(shade) for shade in range(0, 200, 17)]
"""Each differs from the others."""


async def listed(worker: Worker, **query: Any) -> list[memory_pb2.FramePicture]:
    async with calling(worker) as stub:
        request = worker_pb2.WorkerServiceListFramesRequest(
            query=memory_pb2.FrameQuery(camera_id="lobby", **query)
        )
        return [response.frame async for response in stub.ListFrames(request, timeout=20)]


async def pictures(worker: Worker) -> list[bytes]:
    return [frame.jpeg for frame in await listed(worker)]


@asynccontextmanager
async def asked(
    redis_url: str, token: str | None = None, **settings: Any
) -> AsyncIterator[AsyncHermesClient]:
    async with (
        running_gateway(redis_url, **settings) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=token) as client,
    ):
        yield client


async def test_what_the_decoder_sent_is_what_is_fetched(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    async with working(redis_url, None) as worker:
        feeder = Feeder(redis_client, "lobby")
        async with running_gateway(redis_url) as gateway:
            address = f"127.0.0.1:{gateway.port}"
            async with AsyncHermesClient(address) as client:
                await until(serving(redis_client))
                with pytest.raises(errors.CameraNotReady, match="no frame of camera 'lobby'"):
                    await client.snapshot("lobby")
                first_ms = 1_700_000_000_000
                for number, picture in enumerate(PICTURES[:4]):
                    feeder.push(first_ms=first_ms + 1000 * number, pictures=[picture])
                await until(lambda: len(worker_frames(worker)) == 4)
                frames = [frame async for frame in client.frames("lobby")]
                assert frames == [
                    FramePicture(
                        datetime.fromtimestamp((first_ms + 1000 * number) / 1000, UTC),
                        number,
                        None,
                        picture,
                        len(picture),
                    )
                    for number, picture in enumerate(PICTURES[:4])
                ]
                newest = await client.snapshot("lobby")
                assert (newest.jpeg, newest.captured) == (PICTURES[3], frames[3].captured)
                since = frames[1].captured
                some = client.frames("lobby", start=since, end=since + timedelta(seconds=1))
                assert [frame.number async for frame in some] == [1, 2]
                few = client.frames("lobby", limit=2, newest_first=True, without_pictures=True)
                assert [(frame.number, frame.jpeg) async for frame in few] == [(3, b""), (2, b"")]
                gauge = worker.metrics.registry.get_sample_value
                total = sum(map(len, PICTURES[:4]))
                await until(
                    lambda: gauge("hermes_kept_pictures_bytes", {"camera": "lobby"}) == total
                )

            def use() -> None:
                with HermesClient(address) as blocking:
                    assert list(blocking.frames("lobby")) == frames
                    assert blocking.snapshot("lobby") == newest
                written = run("memory", "frames", "lobby", "--out", str(tmp_path), "-g", address)
                assert "4 frames, 4 with a picture" in written
                files = sorted(tmp_path.glob("lobby-*.jpg"))
                assert [file.read_bytes() for file in files] == PICTURES[:4]
                assert "pictures of 4 of these 4 frames are kept" in run(
                    "memory", "show", "lobby", "-g", address
                )
                assert run("camera", "snapshot", "lobby", "-o", "-", "-g", address)
                out = tmp_path / "now.jpg"
                assert "written" in run(
                    "camera", "snapshot", "lobby", "-o", str(out), "-g", address
                )
                assert out.read_bytes() == PICTURES[3]

            await asyncio.to_thread(use)


def worker_frames(worker: Worker) -> list[Any]:
    value = worker.metrics.registry.get_sample_value
    labels = {"camera": "lobby", "outcome": "encoded"}
    return [None] * int(value("hermes_frames_total", labels) or 0)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


async def test_they_are_there_after_a_takeover_and_gone_with_the_camera(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        for picture in PICTURES:
            last = feeder.push(pictures=[picture])
        await until(serving(redis_client))
        await until(lambda: checkpoint_id(redis_client) == last)
        await until(lambda: bool(list(kept.rglob(f"*{SUFFIX}"))))
        before = await listed(one)
        assert {frame.jpeg for frame in before} <= set(PICTURES)
        assert all(frame.jpeg for frame in before)
        # Nothing of it is in Redis beside the frame log.
        redis_client.xtrim(keys.frames("lobby"), maxlen=0, approximate=False)
        for key in redis_client.keys("*"):
            assert PICTURES[-1] not in (redis_client.dump(key) or b"")
    async with working(redis_url, kept) as other:
        await until(serving(redis_client))

        async def back() -> bool:
            return await listed(other) == before

        while not await back():
            await asyncio.sleep(0.02)
        remove(redis_client, "lobby")
        await until(lambda: not list(kept.rglob(f"*{SUFFIX}")))


@pytest.mark.slow  # the test before it is its short sibling
async def test_they_are_there_after_a_worker_that_could_not_say_goodbye(
    redis_url: str, redis_client: redis.Redis, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames since the last checkpoint come from the log, the others from the store."""
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        for picture in PICTURES[:3]:
            last = feeder.push(pictures=[picture])
        await until(serving(redis_client))
        await until(lambda: checkpoint_id(redis_client) == last)
        monkeypatch.setattr(Checkpointer, "step", lambda self: False)
        monkeypatch.setattr(Checkpointer, "stop", lambda self, timeout_s: None)
        redis_client.xtrim(keys.frames("lobby"), maxlen=0, approximate=False)
        feeder.push(pictures=[PICTURES[3]])
        await until(lambda: len(worker_frames(one)) == 4)
    async with working(redis_url, kept) as other:
        await until(serving(redis_client))
        while await pictures(other) != PICTURES[:4]:
            await asyncio.sleep(0.02)


async def test_a_bound_holds_and_none_are_kept_with_0(
    redis_url: str, redis_client: redis.Redis
) -> None:
    bound = 3 * max(map(len, PICTURES))
    async with working(redis_url, None, kept_pictures=bound) as worker:
        feeder = Feeder(redis_client, "lobby")
        for picture in PICTURES:
            feeder.push(pictures=[picture])
        await until(serving(redis_client))
        await until(lambda: len(worker_frames(worker)) == len(PICTURES))
        kept = [frame for frame in await listed(worker) if frame.jpeg]
        assert kept[-1].jpeg == PICTURES[-1]
        assert 0 < sum(frame.bytes for frame in kept) <= bound
        few = await listed(worker, limit=len(kept))
        assert [frame.jpeg for frame in few] == [frame.jpeg for frame in kept]
    async with working(redis_url, None, kept_pictures=0) as none:
        await until(serving(redis_client))
        await until(lambda: len(worker_frames(none)) == len(PICTURES))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listed(none)
        assert isinstance(error_of(caught.value, "the worker"), errors.Unsupported)
        assert not any(frame.bytes for frame in await listed(none, without_pictures=True))
        async with asked(redis_url) as client:
            with pytest.raises(errors.Unsupported, match="keeps no pictures"):
                await client.snapshot("lobby")


async def test_who_may_not_ask_sees_nothing(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    scopes = {"guest": "ask:lobby", "wall": "read:* admin:*", "other": "ask:dock"}
    tokens = write_tokens(tmp_path / "tokens.yaml", **scopes)
    async with working(redis_url, None):
        Feeder(redis_client, "lobby").push(pictures=[PICTURES[0]])
        await until(serving(redis_client))
        async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:
            for who in ("wall", "other"):
                async with AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=tokens[who]) as no:
                    with pytest.raises(errors.PermissionDenied):
                        await no.snapshot("lobby")
                    with pytest.raises(errors.PermissionDenied):
                        [frame async for frame in no.frames("lobby")]
            async with AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=tokens["guest"]) as ok:
                assert (await ok.snapshot("lobby")).jpeg == PICTURES[0]
                assert [frame.jpeg async for frame in ok.frames("lobby")] == PICTURES[:1]
