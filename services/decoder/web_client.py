"""The web client: requests over connections that the dialer makes, one step at a time.

Redirects are followed here, so that each address is checked, and so that a login is shown to
the server that it belongs to and to no other.
"""

from __future__ import annotations

import http.client
import socket
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar
from urllib.parse import quote, unquote, urljoin, urlsplit

import av

from hermes.v1.camera_pb2 import SOURCE_ERROR_ENDED, SOURCE_ERROR_REFUSED
from services.decoder.dialer import Dialer
from services.decoder.faults import ELSEWHERE, SourceFault, fault_of_status
from services.decoder.web_login import WebLogin

MOST_REDIRECTS = 8
MOST_COOKIES = 100
MOST_IDLE = 4
"""Connections that are kept open for the next request, one for each server."""

DRAIN_BYTES = 64 << 10
"""An unread rest that is worth reading to keep the connection."""

_SAFE = "%/:=&?~+!$,;'@()*[]-._|"
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = {301, 302, 303, 307, 308}
_AGENT = "Lavf/" + ".".join(map(str, av.library_versions["libavformat"]))
"""Servers know FFmpeg, and some refuse what they do not know."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a connection, a login and a cookie belong to."""

    scheme: str
    host: str
    port: int


class WebClient:
    """Sends requests. Not thread-safe.

    Its methods raise `SourceFault`, OSError and `http.client.HTTPException`; no text of ours
    holds a URL. `schemes`: those that may be asked for, of http and https.
    """

    def __init__(self, dialer: Dialer, schemes: frozenset[str], timeout_s: float) -> None:
        """`timeout_s`: how long connecting, or a pause of the server, may take."""
        self._dialer = dialer
        self._schemes = schemes & _PORTS.keys()
        self._timeout_s = timeout_s
        self._logins: dict[Origin, WebLogin] = {}
        self._idle: dict[Origin, _Connection] = {}
        self._open: set[_Connection] = set()
        self._cookies = CookieJar()
        self.until_s: float | None = None
        """When the monotonic clock says so, everything must be done; None: whenever it is."""

    def open(
        self, url: str, headers: Mapping[str, str] | None = None, *, start: int | None = None,
        end: int | None = None,
    ) -> Answer:  # fmt: skip
        """What a server answers to GET, after redirects; 304 counts as an answer, too.

        `start`, `end`: the bytes that are wanted; a server may send all the same (status 200).
        """
        asked = dict(headers or {})
        if start is not None:
            asked["Range"] = f"bytes={start}-" + ("" if end is None else str(end - 1))
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._logged_in(url, asked)
            if answer.status not in _REDIRECTS:
                if answer.status >= 400:
                    answer.close()
                    raise fault_of_status(answer.status, answer.reason)
                return answer
            answer.close()
            leads_to = answer.headers.get("Location", "")
            try:
                url = urljoin(answer.url, leads_to)
            except ValueError:
                url = ""
            if not leads_to or not url:
                raise SourceFault(SOURCE_ERROR_ENDED, "the server redirects to nowhere")
        raise SourceFault(SOURCE_ERROR_ENDED, f"more than {MOST_REDIRECTS} redirects")

    def close(self) -> None:
        """Close every connection, with the answers on them. May be called twice."""
        self._idle.clear()
        while self._open:
            self._open.pop().end()

    def wait_s(self) -> float:
        """How long the next read may wait. Raises TimeoutError if time is up."""
        if self.until_s is None:
            return self._timeout_s
        left_s = self.until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("it took too long")
        return min(self._timeout_s, left_s)

    def keep(self, connection: _Connection) -> None:
        """Take a connection back for the next request to its server."""
        earlier = self._idle.pop(connection.origin, None)
        if earlier is not None:
            self.drop(earlier)
        self._idle[connection.origin] = connection
        while len(self._idle) > MOST_IDLE:
            self.drop(self._idle.pop(next(iter(self._idle))))

    def drop(self, connection: _Connection) -> None:
        """Close a connection that can serve no other request."""
        self._open.discard(connection)
        connection.end()

    def _logged_in(self, url: str, headers: dict[str, str]) -> Answer:
        """The answer to one request, repeated with the login that the server asks for."""
        origin, target, clean = self._parsed(url)
        while True:
            answer = self._request(origin, target, clean, headers)
            login = self._logins.get(origin)
            if answer.status != 401 or login is None:
                return answer
            if not login.challenge(answer.headers.get_all("WWW-Authenticate") or []):
                return answer
            answer.close()

    def _parsed(self, url: str) -> tuple[Origin, str, str]:
        """The origin, the target of the request, and the URL without a login, which is kept."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError:
            raise SourceFault(SOURCE_ERROR_REFUSED, "it leads to what is no URL") from None
        if scheme not in self._schemes:
            raise ELSEWHERE
        if not host:
            raise SourceFault(SOURCE_ERROR_REFUSED, "it leads to a URL without a host")
        origin = Origin(scheme, host, port or _PORTS[scheme])
        if parts.username is not None:
            self._logins[origin] = WebLogin(unquote(parts.username), unquote(parts.password or ""))
        target = quote(parts.path or "/", _SAFE)
        if parts.query:
            target += "?" + quote(parts.query, _SAFE)
        clean = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        return origin, target, clean

    def _request(self, origin: Origin, target: str, url: str, headers: dict[str, str]) -> Answer:
        sent = {"User-Agent": _AGENT, "Accept": "*/*"} | headers
        login = self._logins.get(origin)
        if login is not None and (shown := login.header("GET", target)) is not None:
            sent["Authorization"] = shown
        with_cookies = urllib.request.Request(url, headers=sent)  # noqa: S310 - never opened
        self._cookies.add_cookie_header(with_cookies)
        if (cookies := with_cookies.get_header("Cookie")) is not None:
            sent["Cookie"] = cookies
        response, connection = self._sent(origin, target, sent)
        self._cookies.extract_cookies(response, with_cookies)
        if len(self._cookies) > MOST_COOKIES:
            self._cookies.clear()
        return Answer(self, connection, response, url)

    def _sent(
        self, origin: Origin, target: str, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, _Connection]:
        kept = self._idle.pop(origin, None)
        if kept is not None:
            # The server may have closed it since.
            with suppress(http.client.HTTPException, ConnectionError):
                return kept.ask(target, headers, self.wait_s()), kept
            self.drop(kept)
        connection = _Connection(self._dialer, origin)
        self._open.add(connection)
        try:
            return connection.ask(target, headers, self.wait_s()), connection
        except BaseException:
            self.drop(connection)
            raise


class Answer:
    """A response whose body is read as it comes."""

    def __init__(
        self,
        client: WebClient,
        connection: _Connection,
        response: http.client.HTTPResponse,
        url: str,
    ) -> None:
        self._client = client
        self._connection = connection
        self._response = response
        self._closed = False
        self.url = url
        """Where it came from in the end, without a login."""

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status

    @property
    def reason(self) -> str:
        """What the server says beside it."""
        return self._response.reason or ""

    @property
    def headers(self) -> http.client.HTTPMessage:
        """The headers of the response."""
        return self._response.headers

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, as soon as some are there; none at the end.

        Raises ConnectionError if the connection ends before the body does.
        """
        if self._closed or self._response.isclosed():
            return b""
        self._connection.wait(self._client.wait_s())
        data = self._response.read1(count)
        if not data and count > 0 and self._response.length:
            raise ConnectionResetError("the connection ended too soon")
        return data

    def close(self) -> None:
        """Done with it: the connection is kept if the body was read, or nearly. May be repeated."""
        if self._closed:
            return
        with suppress(OSError, http.client.HTTPException):
            rest = self._response.length
            if rest is not None and rest <= DRAIN_BYTES:
                self._connection.wait(min(1.0, self._client.wait_s()))
                self._response.read()
        self._closed = True
        whole = self._response.isclosed() or self._response.length == 0
        self._response.close()
        if whole and not self._response.will_close:
            self._client.keep(self._connection)
            return
        self._client.drop(self._connection)


class _Connection(http.client.HTTPConnection):
    """A connection to one server."""

    def __init__(self, dialer: Dialer, origin: Origin) -> None:
        super().__init__(origin.host, origin.port)
        self.default_port = _PORTS[origin.scheme]
        self.origin = origin
        self._dialer = dialer
        self._wait_s = 0.0
        self._wire: socket.socket | None = None

    def connect(self) -> None:
        """Through the dialer; the name stays in the Host header and in TLS."""
        dial = self._dialer.dial_tls if self.origin.scheme == "https" else self._dialer.dial
        self.sock = self._wire = dial(self.origin.host, self.origin.port, self._wait_s)

    def ask(self, target: str, headers: dict[str, str], wait_s: float) -> http.client.HTTPResponse:
        """The response to a GET."""
        self._wait_s = wait_s
        self.wait(wait_s)
        self.request("GET", target, headers=headers)
        return self.getresponse()

    def wait(self, wait_s: float) -> None:
        """How long the next read may wait."""
        if self._wire is not None:
            self._wire.settimeout(wait_s)

    def end(self) -> None:
        """Close it, with the response that is being read, which holds it open otherwise."""
        wire, self._wire = self._wire, None
        self.close()
        if wire is not None:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()
