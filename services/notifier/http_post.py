"""One HTTP request, POST, with everything bounded: time, bytes, and where it leads."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import http.client
import io
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.common.redaction import redact
from services.notifier.egress import Egress
from services.notifier.sink import Failed, Refused

MOST_HEADER_BYTES = 32 << 10
MOST_INTERIM_REPLIES = 4
MOST_BODY_BYTES = 512
"""Of the body, only the beginning of an error's is read, for the log."""
BODY_WAIT_S = 1.0
AGENT = "hermes-notifier"

REFUSALS = {400, 410, 413, 414, 415, 422}
"""The same bytes would be answered with the same status again; 410: it wants no more of them."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """From a URL. Raises ValueError, without showing the URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its text may hold a part of a password
            raise ValueError("host or port cannot be read") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and a host")
        if "@" in parts.netloc:
            raise ValueError("holds a login: use username and password_file, or token_file")
        if parts.fragment or not url.isascii() or re.search(r"[\x00-\x20\x7f]", url):
            raise ValueError("has a part that no request can have")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", path)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _PORTS["https" if self.tls else "http"]
        return host if usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    retry_after_s: float = 0.0
    text: str = ""

    def check(self) -> None:
        """Raise `Failed` or `Refused` unless the request was accepted."""
        if 200 <= self.status < 300:
            return
        why = f"the receiver answered {self.status}"
        if 300 <= self.status < 400:
            why += ": redirects are not followed"
        elif self.text:
            why += f": {self.text}"
        if self.status in REFUSALS:
            raise Refused(why)
        raise Failed(why, self.retry_after_s)


class Poster:
    """Sends requests, each over a connection of its own, to checked addresses.

    No redirect is followed, and no proxy of the environment is used.
    """

    def __init__(self, egress: Egress, context: ssl.SSLContext | None, timeout_s: float) -> None:
        self._egress = egress
        self._context = context
        self._timeout_s = timeout_s

    async def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The answer, within `timeout_s`. Raises `Failed`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(target, body, headers)
        except TimeoutError:
            raise Failed(f"it took longer than {self._timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise Failed(f"TLS failed: {error.reason or error.strerror}") from None
        except OSError as error:
            raise Failed(error.strerror or "the connection broke off") from None

    async def _post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Reply:
        reader, writer = await self._connect(target)
        try:
            with suppress(ConnectionError):  # it may have answered before it read everything
                writer.write(_request(target, body, headers))
                await writer.drain()
            return await read_reply(reader, _secrets_of(headers))
        finally:
            writer.transport.abort()

    async def _connect(self, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: OSError | None = None
        for address in await self._egress.addresses(target.host, target.port):
            try:
                return await asyncio.open_connection(
                    address,
                    target.port,
                    ssl=self._context if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                    limit=MOST_HEADER_BYTES,
                )
            except OSError as error:
                failure = failure or error
        raise failure or OSError("there is no address")


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: {AGENT}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _secrets_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What a receiver may not make us repeat: the login that it was shown, in each form."""
    kind, _, shown = headers.get("Authorization", "").partition(" ")
    found = {shown}
    if kind == "Basic":
        login = base64.b64decode(shown).decode()
        found |= {login, login.partition(":")[2]}
    return tuple(sorted(found - {""}, key=len, reverse=True))


async def read_reply(reader: asyncio.StreamReader, secrets: tuple[str, ...] = ()) -> Reply:
    """The answer that comes. `secrets` are masked in its text. Raises `Failed`."""
    for _ in range(MOST_INTERIM_REPLIES + 1):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            raise Failed("the connection ended before an answer came") from None
        except asyncio.LimitOverrunError:
            raise Failed(f"the answer's header is over {MOST_HEADER_BYTES} bytes") from None
        line, _, rest = head.partition(b"\r\n")
        found = _STATUS_LINE.match(line + b"\r")
        if found is None:
            raise Failed("the answer is not HTTP")
        status = int(found[1])
        if status < 200:
            continue
        try:
            headers = http.client.parse_headers(io.BytesIO(rest))
        except http.client.HTTPException:
            raise Failed("the answer's header cannot be read") from None
        text = redact(await _beginning(reader), secrets) if status >= 400 else ""
        return Reply(status, retry_after_s(headers.get("Retry-After", ""), time.time()), text)
    raise Failed("the receiver sends nothing but interim answers")


async def _beginning(reader: asyncio.StreamReader) -> str:
    """The first line of an answer's body, for people."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(BODY_WAIT_S):
            data = await reader.read(MOST_BODY_BYTES)
            text = "".join(c if c.isprintable() else " " for c in data.decode(errors="replace"))
            return " ".join(text.split())
    return ""


def retry_after_s(value: str, now_s: float) -> float:
    """The seconds that a Retry-After header means; 0 if it means nothing."""
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return 0.0
