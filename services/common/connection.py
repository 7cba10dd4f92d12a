"""Connections to Redis: who we are to it, and time-outs that fit what they are used for."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.sentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from services.common.files import UnusableFile, read_line
from services.common.redis_address import RedisAddress
from services.common.redis_cluster import AsyncClusterClient, ClusterClient
from services.common.redis_connections import (
    AsyncPromptSentinelConnection,
    AsyncPromptSentinelSSLConnection,
    AsyncSSLConnection,
    PromptSentinelConnection,
    PromptSentinelSSLConnection,
    async_connection_class,
    connection_class,
)

CONNECT_TIMEOUT_S = 2.0
CALL_TIMEOUT_S = 3.0
SENTINEL_TIMEOUT_S = 1.0
"""For one Sentinel: if it does not answer, the next one is asked."""


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """What a connection needs beside the URL. Files are read again for every connection.

    `password_file` holds one line, which counts instead of the URL's password;
    so does `username`. The PEM files are for URLs with TLS: `ca_file` is trusted
    beside the system's authorities, the certificate is shown.
    `sentinel_password_file` is for the Sentinels, which have passwords of their own.
    """

    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    sentinel_password_file: Path | None = None

    def check(self) -> None:
        """Whether all files can be used now. Raises `UnusableFile`."""
        for file in (self.password_file, self.sentinel_password_file):
            if file is not None:
                read_line(file)
        context = ssl.create_default_context()
        try:
            if self.ca_file is not None:
                context.load_verify_locations(self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            files = [self.ca_file, self.cert_file, self.key_file]
            names = ", ".join(str(path) for path in files if path is not None)
            raise UnusableFile(f"one of {names} cannot be used: {error.strerror}") from None

    def _options_of(self, url: str) -> dict[str, Any]:
        """Options for this kind of address: a Unix socket has neither TLS nor keep-alive.

        Raises `UnusableFile`.
        """
        given = {
            "ssl_ca_certs": self.ca_file,
            "ssl_certfile": self.cert_file,
            "ssl_keyfile": self.key_file,
        }
        tls: dict[str, Any] = {name: str(path) for name, path in given.items() if path}
        if not url.startswith("unix://"):
            return {"socket_keepalive": True, **tls}
        if tls:
            raise UnusableFile("a unix:// socket has no TLS: leave the certificates out")
        return {}

    def apply(self, url: str) -> tuple[str, dict[str, Any]]:
        """The URL and the arguments that make a connection with it."""
        options = self._options_of(url)
        if self.password_file is not None:
            parts = urlsplit(url)
            username = self.username or unquote(parts.username or "")
            options["credential_provider"] = _PasswordFile(username, self.password_file)
            url = url.replace(f"//{parts.netloc}", "//" + parts.netloc.rpartition("@")[2], 1)
        return url, options


class _PasswordFile(CredentialProvider):
    def __init__(self, username: str, path: Path) -> None:
        self._username = username
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = read_line(self._path)
        except UnusableFile as error:
            # Callers that wait for Redis handle this like a wrong password.
            raise redis.AuthenticationError(str(error)) from None
        return (self._username, password) if self._username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


ANYONE = RedisAccess()


def connect(url: str, *, block_s: float = 0.0, access: RedisAccess = ANYONE) -> redis.Redis:
    """A blocking client of the Redis that a URL names. See `redis_address` for its shapes.

    `block_s`: the longest BLOCK that it will be asked for. One retry: callers loop
    anyway, and all writes that must not be doubled carry explicit ids or epochs.
    Raises `UnusableFile`, and ValueError for a URL that cannot be read.
    """
    address = _prepared(url, access)
    plain, options = access.apply(address.url)
    options |= _timeouts(block_s)
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=1)
    if address.shape == "cluster":
        options |= RedisAddress.parse(plain).options | ({"ssl": True} if address.tls else {})
        # It stands in for a client of one server: what services ask of either is the same.
        return cast(redis.Redis, ClusterClient(address.hosts, {"retry": retry, **options}))
    if address.shape == "sentinel":
        sentinels = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
            address.hosts, sentinel_kwargs=_to_sentinels(address, access, options)
        )
        return cast(
            redis.Redis,
            sentinels.master_for(  # type: ignore[no-untyped-call]
                address.service,
                connection_class=PromptSentinelSSLConnection
                if address.tls
                else PromptSentinelConnection,
                retry=retry,
                **options,
                **RedisAddress.parse(plain).options,
            ),
        )
    return redis.Redis.from_url(
        plain,
        connection_class=connection_class(plain),
        health_check_interval=0,
        retry=retry,
        **options,
    )


def connect_async(url: str, *, access: RedisAccess = ANYONE) -> redis.asyncio.Redis:
    """A client for an event loop. Raises as `connect` does."""
    address = _prepared(url, access)
    plain, options = access.apply(address.url)
    options |= _timeouts(0.0)
    retry = redis.asyncio.retry.Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=1)
    if address.shape == "cluster":
        options |= RedisAddress.parse(plain).options | ({"ssl": True} if address.tls else {})
        cluster = AsyncClusterClient(address.hosts, {"retry": retry, **options})
        return cast(redis.asyncio.Redis, cluster)
    if address.shape == "sentinel":
        sentinels = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
            address.hosts, sentinel_kwargs=_to_sentinels(address, access, options)
        )
        if address.tls:
            # Their own connections show the certificate that they began with, for ever.
            for one in sentinels.sentinels:
                one.connection_pool.connection_class = AsyncSSLConnection
        return cast(
            redis.asyncio.Redis,
            sentinels.master_for(
                address.service,
                connection_class=AsyncPromptSentinelSSLConnection
                if address.tls
                else AsyncPromptSentinelConnection,
                retry=retry,
                **options,
                **RedisAddress.parse(plain).options,
            ),
        )
    return redis.asyncio.Redis.from_url(
        plain,
        connection_class=async_connection_class(plain),
        health_check_interval=0,
        retry=retry,
        **options,
    )


def _prepared(url: str, access: RedisAccess) -> RedisAddress:
    access.check()
    return RedisAddress.parse(url)


def _timeouts(block_s: float) -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": CALL_TIMEOUT_S + block_s,
    }


def _to_sentinels(
    address: RedisAddress, access: RedisAccess, options: dict[str, Any]
) -> dict[str, Any]:
    """Options of connections to Sentinels: they have users of their own, but the same TLS."""
    shared = {name: value for name, value in options.items() if name != "credential_provider"}
    found: dict[str, Any] = shared | {"socket_timeout": SENTINEL_TIMEOUT_S}
    found |= {"ssl": True} if address.tls else {}
    login = dict(address.sentinel_options)
    if access.sentinel_password_file is not None:
        username = login.get("username", "")
        found["credential_provider"] = _PasswordFile(username, access.sentinel_password_file)
        return found
    return found | login
