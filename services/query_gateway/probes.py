"""Probes: has a decoder open a source once, by way of Redis."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import cast

import redis
import redis.asyncio
from google.protobuf.message import DecodeError

from hermes.errors import Overloaded, Unavailable
from hermes.v1.camera_pb2 import Camera, CameraServiceProbeResponse
from hermes.v1.probe_pb2 import ProbeJob
from services.common import cameras, keys
from services.common.cameras import SourcePolicy
from services.common.placement import ALIVE_S, parse_members
from services.common.redaction import redact
from services.query_gateway.redis_link import reaching_redis

PROBE_S = 8.0
"""Time for a probe. With the way of question and answer a person waits less than ten seconds."""
GRACE_S = 0.5
POLL_S = 0.1
MOST_OPEN = 8
"""Probes that one gateway waits for at a time."""
MOST_WAITING = 32
"""Probes that no decoder has taken yet, of all gateways."""
RETRY_AFTER_S = 2.0
NO_ID = "probe"


class Probes:
    """Leaves a job for the decoders, and waits for the answer. For one event loop."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        policy: SourcePolicy,
        seal: Callable[[str], str] = str,
        probe_s: float = PROBE_S,
    ) -> None:
        """`seal`: converts a camera's URL to the form that Redis stores."""
        self._redis = client
        self._policy = policy
        self._seal = seal
        self._probe_s = probe_s
        self._open = 0

    async def probe(self, camera: Camera, *, thumbnail: bool) -> CameraServiceProbeResponse:
        """What the source of `camera` is. Raises `InvalidInput`, `Overloaded` or `Unavailable`."""
        asked = Camera()
        asked.CopyFrom(camera)
        asked.id = asked.id or NO_ID
        cameras.check(asked, self._policy)
        asked.DiscardUnknownFields()
        asked.url = self._seal(asked.url)
        if self._open >= MOST_OPEN:
            raise Overloaded(
                f"{MOST_OPEN} sources are being probed, the most allowed", RETRY_AFTER_S
            )
        self._open += 1
        try:
            return await self._answered(asked, thumbnail)
        finally:
            self._open -= 1

    async def _answered(self, camera: Camera, thumbnail: bool) -> CameraServiceProbeResponse:
        async with reaching_redis():
            job = ProbeJob(
                id=uuid.uuid4().hex,
                camera=camera,
                thumbnail=thumbnail,
                deadline_ms=await self._now_ms() + round(self._probe_s * 1000),
            )
            entry = job.SerializeToString()
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.rpush(keys.PROBES, entry)
                pipeline.pexpire(keys.PROBES, round(self._probe_s * 1000))
                await pipeline.execute()
        until = asyncio.get_running_loop().time() + self._probe_s + GRACE_S
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(POLL_S)
            async with reaching_redis():
                raw = await cast(
                    "asyncio.Future[bytes | None]", self._redis.lpop(keys.probe_answer(job.id))
                )
            if raw is not None:
                return _read(raw)
        async with reaching_redis():
            waiting = await self._redis.lrem(keys.PROBES, 1, cast(str, entry))
        why = "every decoder is opening another source" if waiting else "the decoder did not answer"
        raise Unavailable(why, RETRY_AFTER_S)

    async def _now_ms(self) -> int:
        """The clock of Redis. Raises `Unavailable` if a probe would wait in vain."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.llen(keys.PROBES)
            pipeline.hgetall(keys.members("decoder"))
            (seconds, micros), waiting, decoders = await pipeline.execute()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        alive = parse_members(decoders, now_ms, int(ALIVE_S * 1000))
        if all(decoder.draining for decoder in alive):
            raise Unavailable("no decoder is running that could open the source", RETRY_AFTER_S)
        if waiting >= MOST_WAITING:
            raise Unavailable("every decoder is opening another source", RETRY_AFTER_S)
        return now_ms


def _read(raw: bytes) -> CameraServiceProbeResponse:
    try:
        found = CameraServiceProbeResponse.FromString(raw)
    except DecodeError:
        raise Unavailable("the decoder's answer cannot be read", RETRY_AFTER_S) from None
    found.error_message = redact(found.error_message)
    return found
