"""The registry of watches, as the processes that act on them see it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis
from google.protobuf.message import DecodeError

from hermes.errors import InvalidInput
from hermes.v1.watch_pb2 import Watch
from services.common import keys, logs
from services.common.redis_cluster import is_cluster
from services.common.times import is_time
from services.common.watch_rules import check_watch

log = logs.get(__name__)


_Seen = tuple[bytes | None, bytes | None, int]
"""Version, incarnation and number of entries."""


class WatchRegistry:
    """The registered watches, in Redis. For one thread.

    `refresh` costs one small round trip while nothing changes: a change of the
    registry makes its version grow.

    Redis may forget. As with cameras, only a tombstone says that a watch was
    removed; one that is missing without a tombstone is put back. An entry that makes
    no sense is passed over, and said once.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._known: dict[str, Watch] = {}
        self._seen: _Seen | None = None
        self._unreadable: set[bytes] = set()

    @property
    def watches(self) -> Mapping[str, Watch]:
        """The watches as the last `refresh` found them, by id."""
        return self._known

    def refresh(self) -> bool:
        """Read what has changed. Returns whether anything has. Raises `redis.RedisError`."""
        seen: _Seen | None = self._look()
        if seen == self._seen:
            return False
        entries = self._entries()
        found = parse_watches(entries, self._unreadable)
        missing = [watch for id, watch in self._known.items() if id.encode() not in entries]
        for watch in self._forgotten(missing):
            self._put_back(watch)
            found[watch.id] = watch
            seen = None  # look again: another process may have put back another version
        damaged = {id: watch for id, watch in self._known.items() if id.encode() in entries}
        found = damaged | found
        changed = found != self._known
        self._known, self._seen = found, seen
        return changed

    def _look(self) -> _Seen:
        with self._redis.pipeline(transaction=False) as pipeline:
            if is_cluster(self._redis):  # the mark of the cameras is on another node
                pipeline.set(keys.WATCHES_INCARNATION, uuid.uuid4().hex, nx=True)
                pipeline.get(keys.WATCHES_INCARNATION)
            else:
                pipeline.get(keys.INCARNATION)
            pipeline.get(keys.WATCHES_VERSION)
            pipeline.hlen(keys.WATCHES)
            *_, incarnation, version, count = pipeline.execute()
        return version, incarnation, count

    def _entries(self) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", self._redis.hgetall(keys.WATCHES))

    def _forgotten(self, missing: list[Watch]) -> list[Watch]:
        """Of the watches that are missing, those that nobody removed."""
        if not missing:
            return []
        with self._redis.pipeline(transaction=False) as pipeline:
            for watch in missing:
                pipeline.get(keys.watch_removed(watch.id))
            stones: list[Any] = pipeline.execute()
        return [
            watch
            for watch, stone in zip(missing, stones, strict=True)
            if not WatchTombstone.parse(stone).covers(watch)
        ]

    def _put_back(self, watch: Watch) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hsetnx(keys.WATCHES, watch.id, watch.SerializeToString())
            pipeline.incr(keys.WATCHES_VERSION)
            pipeline.execute()
        log.warning("watch_put_back", watch=watch.id)


@dataclass(frozen=True, slots=True)
class WatchTombstone:
    """The record that a watch was removed: when the newest of its id was created, its version.

    Versions go on from there in a watch of the same id: two versions that have the
    same number are the same.
    """

    created_ns: int = 0
    version: int = 0

    @classmethod
    def of(cls, watch: Watch) -> WatchTombstone:
        """Of a watch that is removed now."""
        return cls(watch.created.ToNanoseconds(), watch.version)

    @classmethod
    def parse(cls, raw: bytes | None) -> WatchTombstone:
        """From Redis; all zeros if there is none, or one that makes no sense."""
        created, _, version = (raw or b"").decode(errors="replace").partition(" ")
        try:
            return cls(int(created or 0), int(version or 0))
        except ValueError:
            log.error("tombstone_unreadable")
            return cls()  # nothing is removed because of a key that makes no sense

    def covers(self, watch: Watch) -> bool:
        """Whether this very watch was removed."""
        return 0 < watch.created.ToNanoseconds() <= self.created_ns

    def __str__(self) -> str:
        return f"{self.created_ns} {self.version}"


def parse_watches(entries: Mapping[bytes, bytes], unreadable: set[bytes]) -> dict[str, Watch]:
    """The watches that make sense. `unreadable`: entries that were reported before."""
    found = {}
    for field, raw in entries.items():
        try:
            watch = Watch.FromString(raw)
            if watch.id.encode() != field:
                raise InvalidInput("watch.id", "is another than that of its entry")
            if not is_time(watch.created):
                raise InvalidInput("watch.created", "is no time")
            found[watch.id] = check_watch(watch)
        except (DecodeError, InvalidInput) as error:
            if field not in unreadable:
                unreadable.add(field)
                log.error("watch_unreadable", field=field, error=str(error))
    return found
