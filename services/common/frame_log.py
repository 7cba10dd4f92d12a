"""The frame log: one append-only log of frame chunks per camera, read from an offset.

A log and not a queue: what one reader has seen is still there for the next,
because a memory dies with the device that held it and its successor must
rewind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple, Protocol, cast

import redis
from google.protobuf.message import DecodeError
from redis.exceptions import NoScriptError, ResponseError

from hermes.v1.frames_pb2 import FrameChunk
from services.common import keys
from services.common.leases import Fence


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


BEGINNING = LogId(0, 0)
"""Before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk as it lies in the log. `chunk` is None if its bytes are not a chunk."""

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
        `Fenced` if `fence` is no longer the camera's decoder lease, and
        `OutOfOrder` if the log has a later entry.
        """
        ...

    def read(self, after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        """Up to `count` entries of each camera behind the given id, oldest first.

        Waits up to `block_s` for the first one. Entries that were trimmed are
        skipped silently: `FrameChunk.first_frame_index` shows the hole.
        """
        ...

    def last_id(self, camera_id: str) -> LogId:
        """The id of the last entry ever appended, `BEGINNING` if there was none."""
        ...

    def size(self, camera_id: str) -> int:
        """Bytes that the camera's log takes, roughly."""
        ...


def id_of(chunk: FrameChunk) -> LogId:
    """The id under which a chunk is appended. Raises ValueError for an empty chunk."""
    if not chunk.frames:
        raise ValueError("a chunk has at least one frame")
    return LogId(chunk.frames[-1].capture_time_ms)


class InMemoryFrameLog:
    """A frame log inside one process, for tests and for embedding."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[LogId, bytes]]] = {}
        self._last: dict[str, LogId] = {}
        self._fences: dict[str, Fence] = {}
        self._changed = threading.Condition()

    def set_fence(self, camera_id: str, fence: Fence) -> None:
        """Make `fence` the camera's current decoder lease."""
        with self._changed:
            self._fences[camera_id] = fence

    def put_raw(self, camera_id: str, id: LogId, payload: bytes) -> None:
        """Append bytes as they are (for tests of malformed entries)."""
        with self._changed:
            self._entries.setdefault(camera_id, []).append((id, payload))
            self._last[camera_id] = id
            self._changed.notify_all()

    def append(self, chunk: FrameChunk, fence: Fence, min_id: LogId | None = None) -> LogId:
        id = id_of(chunk)
        with self._changed:
            if self._fences.get(chunk.camera_id) != fence:
                raise Fenced
            entries = self._entries.setdefault(chunk.camera_id, [])
            last = self._last.get(chunk.camera_id, BEGINNING)
            if id <= last:
                if any(existing == id for existing, _ in entries):
                    return id
                raise OutOfOrder(last)
            entries.append((id, chunk.SerializeToString()))
            self._last[chunk.camera_id] = id
            if min_id is not None:
                entries[:] = [entry for entry in entries if entry[0] >= min_id]
            self._changed.notify_all()
        return id

    def read(self, after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        deadline = time.monotonic() + block_s
        with self._changed:
            while True:
                found = [
                    Entry(camera_id, id, _parse(payload))
                    for camera_id, offset in after.items()
                    for id, payload in [
                        e for e in self._entries.get(camera_id, []) if e[0] > offset
                    ][:count]
                ]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def last_id(self, camera_id: str) -> LogId:
        with self._changed:
            return self._last.get(camera_id, BEGINNING)

    def size(self, camera_id: str) -> int:
        with self._changed:
            return sum(len(payload) for _, payload in self._entries.get(camera_id, []))


class RedisFrameLog:
    """The frame log on Redis Streams (6.2 or newer)."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        source = resources.files("services.common.lua").joinpath("append.lua").read_text()
        self._append = client.register_script(source)

    def append(self, chunk: FrameChunk, fence: Fence, min_id: LogId | None = None) -> LogId:
        id = id_of(chunk)
        try:
            result = self._append(
                keys=[
                    keys.frames(chunk.camera_id),
                    keys.lease(chunk.camera_id, "decoder"),
                ],
                args=[
                    fence.instance,
                    fence.epoch,
                    str(id),
                    "" if min_id is None else str(min_id),
                    chunk.SerializeToString(),
                ],
            )
        except NoScriptError:  # pragma: no cover - register_script loads it again
            raise
        outcome = result.decode()
        if outcome == "FENCED":
            raise Fenced
        if outcome.startswith("BEHIND "):
            raise OutOfOrder(LogId.parse(outcome.removeprefix("BEHIND ")))
        return id

    def read(self, after: Mapping[str, LogId], *, count: int, block_s: float) -> list[Entry]:
        if not after:
            time.sleep(block_s)
            return []
        cameras = {keys.frames(camera_id).encode(): camera_id for camera_id in after}
        # XREAD's BLOCK 0 means for ever, so the shortest wait is a millisecond.
        reply: Any = self._redis.xread(
            {keys.frames(camera_id): str(id) for camera_id, id in after.items()},
            count=count,
            block=max(1, int(block_s * 1000)),
        )
        streams = reply.items() if isinstance(reply, dict) else (reply or [])
        found: list[Entry] = []
        for name, entries in streams:
            # Protocol 3 wraps each stream's entries in one more list.
            flat = entries[0] if entries and isinstance(entries[0], list) else entries
            for id, fields in flat:
                payload = (fields or {}).get(b"c", b"")
                found.append(Entry(cameras[name], LogId.parse(id), _parse(payload)))
        return found

    def last_id(self, camera_id: str) -> LogId:
        try:
            info = cast(dict[Any, Any], self._redis.xinfo_stream(keys.frames(camera_id)))
        except ResponseError as error:
            if "no such key" in str(error).lower():
                return BEGINNING
            raise
        last = info.get("last-generated-id", info.get(b"last-generated-id"))
        return LogId.parse(last)

    def size(self, camera_id: str) -> int:
        return int(cast("int | None", self._redis.memory_usage(keys.frames(camera_id))) or 0)


def _parse(payload: bytes) -> FrameChunk | None:
    try:
        chunk = FrameChunk.FromString(payload)
    except DecodeError:
        return None
    return chunk if chunk.frames and all(frame.jpeg for frame in chunk.frames) else None
