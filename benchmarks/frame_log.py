"""What fencing and trimming cost, and the way of a frame from the log to the device's door."""

from __future__ import annotations

import statistics
import tempfile
from io import BytesIO
from itertools import count
from pathlib import Path

import redis
import torch
from PIL import Image

from benchmarks.table import Row, interleaved, timed
from hermes.v1.camera_pb2 import Camera
from hermes.v1.frames_pb2 import Frame, FrameChunk
from hermes.vlm.preprocess import fit
from services.cli import redis_server
from services.common import keys
from services.common.frame_log import LogId, RedisFrameLog
from services.common.leases import Lease, Leases
from services.hermes_worker.pictures import decode_jpeg

CHUNKS = 50
FRAMES_PER_CHUNK = 8
SIDE = 384
CAMERAS = 64
MODEL_SIDE = 336


def run(rounds: int) -> list[Row]:
    """The rows of this module."""
    buffer = BytesIO()
    Image.effect_noise((SIDE, SIDE), 40).convert("RGB").save(buffer, "JPEG", quality=90)
    jpeg = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        server = redis_server.find_or_start(Path(folder))
        client = redis.Redis.from_url(server.url)
        try:
            return [_append(client, jpeg, rounds), _read(client, jpeg, rounds)]
        finally:
            client.close()
            server.stop()


def _append(client: redis.Redis, jpeg: bytes, rounds: int) -> Row:
    camera_id = "bench"
    lease = _lease(client, camera_id)
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
    client.delete("bench:plain")
    _forget(client, camera_id)
    frames = CHUNKS * FRAMES_PER_CHUNK
    return Row(
        f"append a frame ({len(jpeg) // 1024} KiB), fenced and trimmed",
        took / frames,
        "bare XADD MAXLEN",
        alternative / frames,
    )


def _read(client: redis.Redis, jpeg: bytes, rounds: int) -> Row:
    """A second of 64 cameras at one frame each: read, JPEG, resized. One thread does it all."""
    torch.set_num_threads(1)
    log, cameras = RedisFrameLog(client), [f"bench-{number}" for number in range(CAMERAS)]
    for camera_id in cameras:
        frame = Frame(jpeg=jpeg, capture_time_ms=1)
        chunk = FrameChunk(camera_id=camera_id, frames=[frame])
        log.append(chunk, _lease(client, camera_id).fence)

    def second() -> None:
        found = 0
        for entry in log.read(dict.fromkeys(cameras, LogId(0)), count=1, block_s=0.1):
            assert entry.chunk is not None
            for frame in entry.chunk.frames:
                picture = decode_jpeg(frame.jpeg)
                found += len(fit(picture.unsqueeze(0), (MODEL_SIDE, MODEL_SIDE)))
        if found != CAMERAS:
            raise RuntimeError(f"{found} frames were read of {CAMERAS}")

    taken = [timed(second) for _ in range(rounds + 1)][1:]
    for camera_id in cameras:
        _forget(client, camera_id)
    return Row(
        f"a frame ({len(jpeg) // 1024} KiB) from the log to the device's door, one core",
        statistics.median(taken) / CAMERAS,
        f"what {CAMERAS} cameras at 1 frame/s leave for it",
        1 / CAMERAS,
    )


def _lease(client: redis.Redis, camera_id: str) -> Lease:
    client.hset(keys.CAMERAS, camera_id, Camera(id=camera_id).SerializeToString())
    lease = Leases(client, "decoder", "bench", "").acquire(camera_id, ttl_s=600)
    if lease is None:
        raise RuntimeError("another benchmark runs on this Redis")
    return lease


def _forget(client: redis.Redis, camera_id: str) -> None:
    client.set(keys.removed(camera_id), 0, ex=60)
    client.delete(*keys.all_of(camera_id))
    client.hdel(keys.CAMERAS, camera_id)
