"""Connections that are given up when the server says that it is no primary any more.

After a failover the old primary may go on as a replica, with our socket still open.
Each write is refused then, for as long as the socket lives. So these refusals are
treated like a lost connection: the next try connects anew, and a name of a host, a
Service of Kubernetes or a Sentinel leads it to the new primary.
"""

from __future__ import annotations

from typing import Any, NoReturn

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.exceptions import MasterDownError, ReadOnlyError, ResponseError

_PASSING = (
    "READONLY You can't write against a read only",
    "NOREPLICAS ",
    "UNBLOCKED force unblock",
)
"""What a server says while, or after, another one becomes the primary.

Scripts of Redis 6 put such a text into an error of their own.
"""


def passes(error: redis.RedisError) -> bool:
    """Whether an error reply says that this server is not the primary, or not for now."""
    if isinstance(error, ReadOnlyError | MasterDownError):
        return True
    text = str(error)
    return isinstance(error, ResponseError) and any(
        text.startswith(mark) or f"-{mark}" in text or f" {mark}" in text for mark in _PASSING
    )


def _give_up(error: redis.RedisError) -> NoReturn:
    raise redis.ConnectionError(f"this server is no primary now: {error}") from error


class _Prompt:
    """Mixed into the connections of blocking clients."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """One reply. Raises ConnectionError instead of what `passes`."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if not passes(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            _give_up(error)


class _AsyncPrompt:
    """Mixed into the connections of clients for event loops."""

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """One reply. Raises ConnectionError instead of what `passes`."""
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if not passes(error):
                raise
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            _give_up(error)


class PromptConnection(_Prompt, redis.Connection):
    """To a server by TCP."""


class PromptSSLConnection(_Prompt, redis.SSLConnection):
    """The same with TLS."""


class PromptUnixConnection(_Prompt, redis.UnixDomainSocketConnection):
    """To a server on this machine."""


class PromptSentinelConnection(_Prompt, redis.sentinel.SentinelManagedConnection):
    """To the primary that Sentinels name."""


class PromptSentinelSSLConnection(_Prompt, redis.sentinel.SentinelManagedSSLConnection):
    """The same with TLS."""


class AsyncPromptConnection(_AsyncPrompt, redis.asyncio.Connection):
    """To a server by TCP."""


class _ReadsFilesAgain:
    """Mixed into connections with TLS: each time it connects, certificates are read again."""

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> Any:
        """Connect."""
        self.ssl_context.context = None  # type: ignore[attr-defined]
        return await super().connect_check_health(*args, **kwargs)  # type: ignore[misc]


class AsyncPromptSSLConnection(_ReadsFilesAgain, _AsyncPrompt, redis.asyncio.SSLConnection):
    """The same with TLS."""


class AsyncSSLConnection(_ReadsFilesAgain, redis.asyncio.SSLConnection):
    """With TLS to a node of a cluster, or to a Sentinel: it need not be a primary."""


class AsyncPromptUnixConnection(_AsyncPrompt, redis.asyncio.UnixDomainSocketConnection):
    """To a server on this machine."""


class AsyncPromptSentinelConnection(_AsyncPrompt, redis.asyncio.sentinel.SentinelManagedConnection):
    """To the primary that Sentinels name."""


class AsyncPromptSentinelSSLConnection(
    _ReadsFilesAgain, _AsyncPrompt, redis.asyncio.sentinel.SentinelManagedSSLConnection
):
    """The same with TLS."""


def connection_class(url: str) -> Any:
    """Of a blocking client of one server."""
    return _by_scheme(url, PromptConnection, PromptSSLConnection, PromptUnixConnection)


def async_connection_class(url: str) -> Any:
    """Of a client of one server for an event loop."""
    return _by_scheme(
        url, AsyncPromptConnection, AsyncPromptSSLConnection, AsyncPromptUnixConnection
    )


def _by_scheme(url: str, plain: Any, tls: Any, unix: Any) -> Any:
    return {"rediss": tls, "unix": unix}.get(url.partition("://")[0], plain)
