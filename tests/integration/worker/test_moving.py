"""Cameras that move from one worker to another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc.aio
import redis

from hermes.errors import CameraNotReady
from tests.support.workers import (
    Feeder,
    asked,
    calling,
    complete,
    refused,
    serving,
    until,
    working,
)


async def test_questions_are_answered_throughout_a_hand_over(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        for _ in range(9):
            feeder.push()
        await until(serving(redis_client))
        before = await complete(one)
        async with working(redis_url, kept, checkpoint_every_s=600) as other:
            ending = asyncio.create_task(one.stop())
            owners: set[int] = set()
            served: list[int] = []
            while not ending.done() or len(owners) < 2:
                feeder.push()
                for worker in (one, other):
                    if "lobby" in {lease.camera_id for lease in worker._ownership.leases()}:
                        try:
                            reply = await complete(worker)
                        except grpc.aio.AioRpcError:
                            continue  # between the two
                        owners.add(reply.epoch)
                        served.append(reply.coverage.frames_seen)
                        assert reply.epoch >= before.epoch
                await asyncio.sleep(0.02)
            await ending
            assert served == sorted(served)  # nothing was forgotten on the way
            final = await complete(other)
            assert (final.coverage.frames_seen, list(final.coverage.gaps)) == (feeder.index, [])
            assert len(owners) == 2
            lost = other.metrics.registry.get_sample_value("hermes_lease_lost_total")
            assert lost == 0


async def test_without_a_store_cameras_go_only_when_their_worker_does(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with working(redis_url, None):
        for name in ("a", "b", "c"):
            Feeder(redis_client, name).push(3)
            await until(serving(redis_client, name))
        async with working(redis_url, None) as other:
            await asyncio.sleep(2.5)
            assert other._ownership.leases() == []


async def test_a_leaving_camera_takes_no_new_question(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept) as worker, calling(worker) as stub:
        Feeder(redis_client, "lobby").push(3)
        await until(serving(redis_client))
        assert worker._tenures.leave("lobby")
        reply = await refused(stub, asked("lobby"))
        assert isinstance(reply, CameraNotReady)
        assert reply.retry_after_s > 0
        worker._tenures.stay("lobby")
        assert (await complete(worker)).coverage.frames_seen == 3
