"""The frame log: one append-only log of frame chunks per camera, read from an offset.

A log and not a queue: what one reader has seen is still there for the next,
because a memory dies with the device that held it and its successor must
rewind.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import redis
from google.protobuf.message import DecodeError
from redis.exceptions import ResponseError

from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.common import keys
from services.common.camera_status import MAX_TIME_MS
from services.common.cameras import MAX_CHUNK_FRAMES
from services.common.leases import Fence
from services.common.redis_cluster import by_node, is_cluster
from services.common.scripts import load_script


class LogId(NamedTuple):
    """Id of an entry: capture time of its last frame (ms), and a tie-breaker. Ordered."""

    ms: int
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    @classmethod
    def parse(cls, text: str | bytes) -> LogId:
        """From `ms-seq`."""
        ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return cls(int(ms), int(seq or 0))


LOOK_EVERY_S = 0.05
"""In a cluster: how often a reader that waits looks for something new."""

BEGINNING = LogId(0, 0)
"""Before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk as it lies in the log. `chunk` is None if its bytes are no chunk of the camera."""

    camera_id: str
    id: LogId
    chunk: FrameChunk | None


class Fenced(Exception):
    """The writer's lease is not the current one; it must stop writing."""


class OutOfOrder(Exception):
    """The id is not above the log's last one, and no retry of it."""

    def __init__(self, last: LogId) -> None:
        super().__init__(f"the log already reaches {last}")
        self.last = last


class FrameLog(Protocol):
    """What decoders write and workers read. Thread-safe."""

    def append(self, chunk: FrameChunk, fence: Fence, min_id: LogId | None = None) -> LogId:
        """Append `chunk` and drop entries below `min_id`, in one step.

        The id is the capture time of the chunk's last frame. Appending the
        same chunk again changes nothing and returns the same id. Raises
        `Fenced` if `fence` is no longer the camera's decoder lease,
        `OutOfOrder` if the log has a later entry, or another one of that id,
        and ValueError as `id_of` does.
        """
        ...

    def read(self, after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        """Up to `count` entries of each camera past the given id, oldest first.

        Waits up to `block_s` for the first one. Entries that were trimmed are
        skipped silently: `FrameChunk.first_frame_index` shows what is missing.
        """
        ...

    def last_id(self, camera_id: str) -> LogId:
        """The id of the last entry ever appended, `BEGINNING` if there was none."""
        ...

    def last_ids(self, camera_ids: Sequence[str]) -> dict[str, LogId]:
        """`last_id` of each of these cameras, read at once."""
        ...

    def size(self, camera_id: str) -> int:
        """Bytes that the camera's log takes, roughly."""
        ...


def id_of(chunk: FrameChunk) -> LogId:
    """The id under which a chunk is appended.

    Raises ValueError for an empty chunk, and for a capture time that is not
    after 1970 began: the log has no place for it.
    """
    if not chunk.frames:
        raise ValueError("a chunk has at least one frame")
    if chunk.frames[-1].capture_time_ms <= 0:
        raise ValueError("a frame has a capture time")
    return LogId(chunk.frames[-1].capture_time_ms)


class RedisFrameLog:
    """The frame log on Redis Streams (6.2 or newer)."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._append = load_script(client, "append")

    def append(self, chunk: FrameChunk, fence: Fence, min_id: LogId | None = None) -> LogId:
        """See `FrameLog.append`."""
        id = id_of(chunk)
        result = self._append(
            keys=[keys.frames(chunk.camera_id), keys.lease(chunk.camera_id, "decoder")],
            args=[
                fence.instance,
                fence.epoch,
                str(id),
                "" if min_id is None else str(min_id),
                chunk.SerializeToString(),
            ],
        )
        outcome = result.decode()
        if outcome == "FENCED":
            raise Fenced
        if outcome.startswith("BEHIND "):
            raise OutOfOrder(LogId.parse(outcome.removeprefix("BEHIND ")))
        return id

    def read(self, after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        """See `FrameLog.read`."""
        if not after:
            time.sleep(block_s)
            return []
        if is_cluster(self._redis):
            return self._look_again_and_again(after, count, block_s)
        # XREAD's BLOCK 0 means for ever: no wait is no BLOCK, the shortest a millisecond.
        block_ms = max(1, int(block_s * 1000)) if block_s > 0 else None
        reply: Any = self._redis.xread(
            {keys.frames(camera_id): str(id) for camera_id, id in after.items()},
            count=count,
            block=block_ms,
        )
        return _entries(reply, after)

    def _look_again_and_again(
        self, after: Mapping[str, LogId], count: int, block_s: float
    ) -> list[Entry]:
        """As `read`, in a cluster, where a command reads one log, and BLOCK waits for one."""
        until = time.monotonic() + block_s
        while True:
            found = self._look(after, count)
            left_s = until - time.monotonic()
            if found or left_s <= 0:
                return found
            time.sleep(min(LOOK_EVERY_S, left_s))

    def _look(self, after: Mapping[str, LogId], count: int) -> list[Entry]:
        """What there is in each log, in one round trip to each node.

        A node that is out of reach keeps no other from being read. Its error is raised
        if there is nothing to return.
        """
        camera_ids = list(after)
        names = [keys.frames(camera_id) for camera_id in camera_ids]
        found: list[Entry] = []
        lost: redis.RedisError | None = None
        for group in by_node(self._redis, names):
            try:
                with self._redis.pipeline(transaction=False) as pipeline:
                    for place in group:
                        pipeline.xread({names[place]: str(after[camera_ids[place]])}, count=count)
                    for place, reply in zip(group, pipeline.execute(), strict=True):
                        found += _entries(reply, [camera_ids[place]])
            except (redis.ConnectionError, redis.TimeoutError) as error:
                lost = error
        if lost is not None and not found:
            raise lost
        return found

    def last_id(self, camera_id: str) -> LogId:
        """See `FrameLog.last_id`."""
        try:
            return _last_id(self._redis.xinfo_stream(keys.frames(camera_id)))
        except ResponseError as error:
            return _last_id(error)

    def last_ids(self, camera_ids: Sequence[str]) -> dict[str, LogId]:
        """See `FrameLog.last_ids`."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for camera_id in camera_ids:
                pipeline.xinfo_stream(keys.frames(camera_id))
            found = pipeline.execute(raise_on_error=False)
        return dict(zip(camera_ids, map(_last_id, found), strict=True))

    def size(self, camera_id: str) -> int:
        """See `FrameLog.size`."""
        return int(self._redis.memory_usage(keys.frames(camera_id)) or 0)


def _entries(reply: Any, cameras: Iterable[str]) -> list[Entry]:
    """The entries in a reply of XREAD."""
    by_name = {keys.frames(camera_id).encode(): camera_id for camera_id in cameras}
    streams = reply.items() if isinstance(reply, dict) else (reply or [])
    found: list[Entry] = []
    for name, entries in streams:
        # Protocol 3 wraps each stream's entries in one more list.
        flat = entries[0] if entries and isinstance(entries[0], list) else entries
        camera_id = by_name[name]
        for id, fields in flat:
            payload = (fields or {}).get(b"c", b"")
            found.append(Entry(camera_id, LogId.parse(id), parse_chunk(camera_id, payload)))
    return found


def _last_id(info: Any) -> LogId:
    """The last id in what Redis says about a stream, or in its error: there is no stream."""
    if isinstance(info, ResponseError) and "no such key" in str(info).lower():
        return BEGINNING
    if isinstance(info, Exception):
        raise info
    return LogId.parse(info["last-generated-id"])


def parse_chunk(camera_id: str, payload: bytes) -> FrameChunk | None:
    """The chunk in an entry's bytes, or None if they hold no usable chunk of this camera."""
    try:
        chunk = FrameChunk.FromString(payload)
    except DecodeError:
        return None
    if chunk.camera_id != camera_id or not 0 < len(chunk.frames) <= MAX_CHUNK_FRAMES:
        return None
    return chunk if all(map(_usable, chunk.frames)) else None


def _usable(frame: Frame) -> bool:
    times = 0 < frame.capture_time_ms <= MAX_TIME_MS and 0 <= frame.media_time_ms <= MAX_TIME_MS
    return bool(frame.jpeg) and times
