"""Scripts that Redis runs in one step. They are in the folder lua."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import NoScriptError

from services.common import logs
from services.common.redis_cluster import AsyncClusterClient, ClusterClient, by_node

log = logs.get(__name__)

Call = tuple[Sequence[str], Sequence[Any]]
"""Keys, which share a slot, and arguments."""


def source_of(name: str) -> str:
    """The text of a script."""
    return resources.files("services.common.lua").joinpath(f"{name}.lua").read_text()


class Script:
    """A script for a blocking client. A server that does not know it is given it first.

    That happens after a restart, and on each server that becomes the primary.
    """

    def __init__(self, client: redis.Redis, source: str) -> None:
        self._redis = client
        self._source = source
        self._sha = _sha(source)

    def __call__(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run it. Raises `redis.RedisError`."""
        try:
            return self._redis.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            self._load(keys[0])
            return self._redis.evalsha(self._sha, len(keys), *keys, *args)

    def each(self, calls: Sequence[Call]) -> list[Any]:
        """Run it many times, in one round trip to each server.

        Returns a reply for each call: an exception if Redis refused the call, or if
        its server is out of reach while others are not. Raises `redis.RedisError` if
        no server can be reached.
        """
        replies: list[Any] = [None] * len(calls)
        groups = by_node(self._redis, [keys[0] for keys, _ in calls])
        lost: list[redis.RedisError] = []
        for group in groups:
            try:
                self._run(group, calls, replies)
            except redis.RedisError as error:
                lost.append(error)
                for place in group:
                    replies[place] = error
        if lost and len(lost) == len(groups):
            raise lost[0]
        return replies

    def _run(self, group: Sequence[int], calls: Sequence[Call], replies: list[Any]) -> None:
        """Run the calls of one server. Only those that it did not know are sent again."""
        waiting = group
        for attempt in (1, 2):
            if attempt == 2:
                self._load(calls[waiting[0]][0][0])
            with self._redis.pipeline(transaction=False) as pipeline:
                for place in waiting:
                    keys, args = calls[place]
                    pipeline.evalsha(self._sha, len(keys), *keys, *args)
                for place, reply in zip(
                    waiting, pipeline.execute(raise_on_error=False), strict=True
                ):
                    replies[place] = reply
            waiting = [place for place in waiting if isinstance(replies[place], NoScriptError)]
            if not waiting:
                return

    def _load(self, key: str) -> None:
        if isinstance(self._redis, ClusterClient):
            self._redis.load(self._source, key)
        else:
            self._redis.script_load(self._source)


class AsyncScript:
    """The same for an event loop."""

    def __init__(self, client: redis.asyncio.Redis, source: str) -> None:
        self._redis = client
        self._source = source
        self._sha = _sha(source)

    async def __call__(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run it. Raises `redis.RedisError`."""
        evalsha: Any = self._redis.evalsha
        try:
            return await evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            if isinstance(self._redis, AsyncClusterClient):
                await self._redis.load(self._source, keys[0])
            else:
                await self._redis.script_load(self._source)
            return await evalsha(self._sha, len(keys), *keys, *args)


def load_script(client: redis.Redis, name: str, prelude: str = "") -> Script:
    """The script of that name, with `prelude` in front of it."""
    return Script(client, prelude + source_of(name))


def _sha(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
