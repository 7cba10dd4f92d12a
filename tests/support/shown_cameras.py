"""Cameras as the console sees them: in Redis with a status, and with pictures at a worker."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence

import redis
from PIL import Image, ImageDraw

from hermes.v1.camera_pb2 import (
    GAP_REASON_RECONNECTED,
    MEMORY_STATE_SERVING,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    Camera,
    MemoryStatus,
    PictureStatus,
    SourceError,
    SourceStatus,
    TimeSpan,
)
from hermes.v1.memory_pb2 import FramePicture
from services.common import keys
from services.common.camera_status import memory_fields, source_fields
from services.common.placement import Member
from tests.support.gateway import own

REMEMBERED_MS = 20 * 60_000
PICTURES = 5
LEASE_S = 3600.0
SIZE = (320, 180)


def jpeg_of(number: int) -> bytes:
    """A picture that can be told from others, as small as a camera's."""
    picture = Image.new("RGB", SIZE, (60 + 25 * (number % 6), 90, 110))
    ImageDraw.Draw(picture).rectangle((20 + 30 * number, 60, 60 + 30 * number, 120), "orange")
    written = io.BytesIO()
    picture.save(written, "jpeg", quality=60)
    return written.getvalue()


def pictures(newest_ms: int) -> list[FramePicture]:
    """Some frames over the time that is remembered, the newest first."""
    found = []
    for number in range(PICTURES):
        data = jpeg_of(number)
        frame = FramePicture(frame=100 - number, jpeg=data, bytes=len(data))
        frame.captured.FromMilliseconds(newest_ms - number * REMEMBERED_MS // PICTURES)
        found.append(frame)
    return found


def announce(client: redis.Redis) -> None:
    """A decoder is there, and stays."""
    later_ms = int((time.time() + LEASE_S) * 1000)
    decoder = Member("decoder-1", "", "cpu", 1000, 1, later_ms)
    client.hset(keys.members("decoder"), decoder.instance, decoder.to_json())


def show(
    client: redis.Redis,
    camera_id: str,
    address: str,
    *,
    labels: Mapping[str, str] | None = None,
    name: str = "",
    fault: SourceError | None = None,
) -> None:
    """A camera that a worker serves. `fault`: why it is offline; None: it is online."""
    camera = Camera(
        id=camera_id,
        url=f"rtsp://{camera_id}.test/live",
        labels=dict(labels or {}),
        display_name=name,
    )
    client.hset(keys.CAMERAS, camera_id, camera.SerializeToString())
    lease = own(client, camera_id, address, ttl_s=LEASE_S)
    now_ms = int(time.time() * 1000)
    memory = MemoryStatus(
        state=MEMORY_STATE_SERVING,
        frames=120,
        tokens=2048,
        bytes=1 << 20,
        worker="worker-1",
        epoch=lease.epoch,
    )
    memory.lag.FromMilliseconds(350)
    coverage = memory.coverage
    coverage.frames, coverage.frames_seen = 120, 1200
    _span(coverage.span, now_ms - REMEMBERED_MS, now_ms)
    _span(coverage.forgotten.add(), now_ms - 15 * 60_000, now_ms - 12 * 60_000)
    _span(coverage.gaps.add(), now_ms - 6 * 60_000, now_ms - 5 * 60_000)
    coverage.gaps[0].reason = GAP_REASON_RECONNECTED
    coverage.whole_since.FromMilliseconds(now_ms - 2 * 60_000)
    coverage.watching_since.FromMilliseconds(now_ms - REMEMBERED_MS)
    width, height = SIZE
    source = SourceStatus(
        state=SOURCE_STATE_ONLINE if fault is None else SOURCE_STATE_OFFLINE,
        frames_per_second=2.0,
        decoder="decoder-1",
        picture=PictureStatus(codec="h264", frame_width=width, frame_height=height),
    )
    if fault is not None:
        source.error = fault
    fields = {**source_fields(source), **memory_fields(memory, "5-0")}
    client.hset(keys.status(camera_id), items=[part for pair in fields.items() for part in pair])


def show_many(client: redis.Redis, camera_ids: Sequence[str], address: str) -> None:
    """A fleet."""
    for number, camera_id in enumerate(camera_ids):
        show(client, camera_id, address, labels={"floor": str(number % 5)})


def _span(span: TimeSpan, start_ms: int, end_ms: int) -> None:
    span.start.FromMilliseconds(start_ms)
    span.end.FromMilliseconds(end_ms)
