"""Where Redis is: one server, a cluster, or a pair that Sentinels watch; read from a URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

import redis.connection

Shape = Literal["server", "cluster", "sentinel"]

SCHEMES: dict[str, tuple[Shape, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("server", False),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
}
"""Shape of Redis, and whether connections use TLS, by the scheme of the URL."""

REDIS_PORT = 6379
SENTINEL_PORT = 26379

_SENTINEL_USERNAME = "sentinel_username"
_SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105 - the name of an option

Host = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A URL in parts.

    `url` names one server, with the user, the database and the options that all
    connections share. `hosts` are the nodes of a cluster to begin with, or the
    Sentinels; for one server there are none. `service` is the name that the
    Sentinels know the primary by. `sentinel_options`: how to log in to them.
    """

    shape: Shape
    tls: bool
    url: str
    hosts: tuple[Host, ...] = ()
    service: str = ""
    sentinel_options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises ValueError, whose text holds no part of the URL."""
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in SCHEMES:
            raise ValueError(
                "must start with redis://, rediss:// or unix://, for a cluster with"
                " redis+cluster://, for Sentinels with redis+sentinel://"
            )
        shape, tls = SCHEMES[scheme]
        if shape == "server":
            return _checked(cls(shape, tls, url))
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        userinfo, at, listed = authority.rpartition("@")
        port = SENTINEL_PORT if shape == "sentinel" else REDIS_PORT
        hosts = tuple(_host(one, port) for one in listed.split(","))
        service, database = "", path
        if shape == "sentinel":
            service, _, database = path.partition("/")
            service = unquote(service)
            if not service:
                raise ValueError("a Sentinel URL ends with the name of the primary: .../mymaster")
        elif path.strip("/") not in ("", "0"):
            raise ValueError("a cluster has one database, 0")
        options = dict(parse_qsl(query, keep_blank_values=True))
        login = {
            name.removeprefix("sentinel_"): options.pop(name)
            for name in (_SENTINEL_USERNAME, _SENTINEL_PASSWORD)
            if name in options
        }
        plain = f"redis{'s' if tls else ''}://{userinfo}{at}{_written(hosts[0])}"
        plain += f"/{database}" if shape == "sentinel" and database else ""
        plain += f"?{urlencode(options)}" if options else ""
        return _checked(cls(shape, tls, plain, hosts, service, tuple(login.items())))

    @property
    def options(self) -> dict[str, Any]:
        """What the URL says about connections, without host and port."""
        found: dict[str, Any] = redis.connection.parse_url(self.url)  # type: ignore[no-untyped-call]
        for name in ("host", "port", "connection_class"):
            found.pop(name, None)
        return found


def _checked(address: RedisAddress) -> RedisAddress:
    """The address, if redis-py can read it. This connects to nothing."""
    try:
        options = redis.connection.parse_url(address.url)  # type: ignore[no-untyped-call]
        redis.ConnectionPool.from_url(address.url).make_connection()
    except (ValueError, TypeError):  # their text may hold a part of the password
        raise ValueError("host, port or options cannot be read") from None
    if address.url.startswith("unix://") and not options.get("path"):
        raise ValueError("a unix:// URL has three slashes: unix:///run/redis.sock")
    return address


def _host(text: str, port: int) -> Host:
    """`name`, `name:port` or `[address]:port`."""
    if text.startswith("["):
        name, bracket, after = text[1:].partition("]")
        colon, number = after[:1], after[1:]
    else:
        name, colon, number = text.partition(":")
        bracket = "]"
    if not name or not bracket or (colon and not number.isdecimal()) or colon not in ("", ":"):
        raise ValueError("hosts cannot be read: they are written host:port,host:port")
    if not 0 < int(number or port) < 1 << 16:
        raise ValueError("a port is a number from 1 to 65535")
    return name, int(number or port)


def _written(host: Host) -> str:
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
