"""Which arguments of a command are keys, so that no server has to be asked.

redis-py asks a server for the keys of each script and each XREAD, in a round trip of its
own and with all of their arguments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

_FIRST = frozenset(
    {
        "EXPIRE", "GET", "HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HKEYS", "HLEN", "HMGET",
        "HSET", "HSETNX", "INCR", "INCRBY", "LLEN", "LPOP", "LREM", "PEXPIRE", "PTTL", "RPUSH",
        "SET", "TYPE", "XACK", "XADD", "XDEL", "XLEN", "XRANGE", "XREVRANGE", "XTRIM", "ZADD",
        "ZCARD", "ZCOUNT", "ZRANGE", "ZREVRANGE", "ZREVRANK", "ZSCORE",
    }
)  # fmt: skip
_SUBCOMMANDS = frozenset({"MEMORY USAGE", "XGROUP CREATE", "XINFO GROUPS", "XINFO STREAM"})
_ALL = frozenset({"DEL", "EXISTS", "UNLINK", "WATCH"})
_READS = frozenset({"XREAD", "XREADGROUP"})
_SCRIPTS = frozenset({"EVAL", "EVALSHA"})
_STREAMS = ("STREAMS", b"STREAMS")


def keys_of(args: Sequence[Any]) -> list[Any] | None:
    """The keys of a command, as redis-py sends it; None for a command that we do not use."""
    name = str(args[0]).upper()
    if name in _FIRST or name in _SUBCOMMANDS:
        return [args[1]]
    if name in _ALL:
        return list(args[1:])
    if name in _SCRIPTS:
        return list(args[3 : 3 + int(args[2])])
    if name in _READS:
        after = next(place for place, arg in enumerate(args) if arg in _STREAMS) + 1
        return list(args[after : after + (len(args) - after) // 2])
    if name == "BLPOP":
        return list(args[1:-1])
    return None


class CommandKeys:
    """Stands in for redis-py's parser of commands, which is asked about other commands alone."""

    def __init__(self, others: Any) -> None:
        self._others = others

    def get_keys(self, connection: Any, *args: Any) -> Any:
        """The keys of a command."""
        found = keys_of(args)
        return self._others.get_keys(connection, *args) if found is None else found


class AsyncCommandKeys:
    """The same for an event loop. The other parser is set up when it is first asked."""

    def __init__(self, others: Any) -> None:
        self._others = others
        self._set_up: Callable[[], Awaitable[object]] | None = None

    async def initialize(self, node: Any) -> None:
        """`node`: whom to ask about other commands."""
        self._set_up = lambda: self._others.initialize(node)

    async def get_keys(self, *args: Any) -> Any:
        """The keys of a command."""
        found = keys_of(args)
        if found is not None:
            return found
        if self._set_up is not None:
            await self._set_up()
            self._set_up = None
        return await self._others.get_keys(*args)
