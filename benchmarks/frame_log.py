"""What fencing and trimming cost, and the way of a frame from JPEG to tensor."""

from __future__ import annotations

import tempfile
from io import BytesIO
from itertools import count
from pathlib import Path

import redis
from PIL import Image

from benchmarks.table import Row, interleaved
from hermes.v1.camera_pb2 import Camera
from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.cli import redis_server
from services.common import keys
from services.common.frame_log import LogId, RedisFrameLog
from services.common.leases import Leases

CHUNKS = 50
FRAMES_PER_CHUNK = 8
SIDE = 384


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    buffer = BytesIO()
    Image.effect_noise((SIDE, SIDE), 40).convert("RGB").save(buffer, "JPEG", quality=90)
    jpeg = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        server = redis_server.find_or_start(Path(folder))
        client = redis.Redis.from_url(server.url)
        try:
            return [_append(client, jpeg, rounds)]
        finally:
            client.close()
            server.stop()


def _append(client: redis.Redis, jpeg: bytes, rounds: int) -> Row:
    camera_id = "bench"
    client.hset(keys.CAMERAS, camera_id, Camera(id=camera_id).SerializeToString())
    lease = Leases(client, "decoder", "bench", "").acquire(camera_id, ttl_s=600)
    if lease is None:
        raise RuntimeError("another benchmark runs on this Redis")
    log, clock = RedisFrameLog(client), count(1)

    def chunk() -> FrameChunk:
        first = next(clock) * 1000
        frames = [
            Frame(jpeg=jpeg, capture_time_ms=first + index) for index in range(FRAMES_PER_CHUNK)
        ]
        return FrameChunk(camera_id=camera_id, epoch=lease.epoch, frames=frames)

    def ours() -> None:
        for _ in range(CHUNKS):
            made = chunk()
            newest = made.frames[-1].capture_time_ms
            log.append(made, lease.fence, LogId(max(0, newest - 20_000)))

    def plain() -> None:
        for _ in range(CHUNKS):
            made = chunk()
            client.xadd("bench:plain", {"c": made.SerializeToString()}, maxlen=20)

    took, alternative = interleaved(ours, plain, rounds)
    client.delete("bench:plain", *keys.all_of(camera_id))
    client.hdel(keys.CAMERAS, camera_id)
    frames = CHUNKS * FRAMES_PER_CHUNK
    return Row(
        f"append a frame ({len(jpeg) // 1024} KiB), fenced and trimmed",
        took / frames,
        "bare XADD MAXLEN",
        alternative / frames,
    )
