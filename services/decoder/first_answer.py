"""First answers: what a server says first, where FFmpeg only says that the data are invalid.

FFmpeg reports "invalid data" alike for an RTSP server that is silent, hangs up,
talks another protocol or is broken, and logs nothing. So the server is asked
once more, by hand. Nothing of a URL's credentials is sent.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from urllib.parse import SplitResult, urlsplit

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_PROTOCOL,
    SOURCE_ERROR_TIMEOUT,
)
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, classify
from services.decoder.settings import DecoderSettings

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

LONGEST_S = 4.0
"""FFmpeg has waited for its own time-out before, so the server is given less now."""

_STATUS_LINE = re.compile(rb"(RTSP|HTTP)/\d\.\d (\d{3})[ \t]*([\x20-\x7e]{0,60})")
_MAX_BYTES = 1024


def why_no_video(url: str, settings: DecoderSettings) -> SourceFault | None:
    """Why the server at `url` gives no video; None if it speaks the URL's protocol.

    `url`: rtsp, rtsps, http or https. Takes up to `LONGEST_S`.
    """
    parts = urlsplit(url)
    until_s = time.monotonic() + LONGEST_S
    try:
        with _connected(parts, settings) as server:
            server.sendall(_request(parts))
            answer = _first_line(server, until_s)
    except SourceFault as fault:  # its address is not allowed
        return fault
    except TimeoutError:
        return SourceFault(
            SOURCE_ERROR_TIMEOUT, "the server accepts the connection, but does not answer"
        )
    except ssl.SSLError:
        return None  # FFmpeg has checked the certificate itself, and has said so
    except (ConnectionResetError, BrokenPipeError):
        answer = b""
    except socket.gaierror as error:
        return classify(error, (f"Failed to resolve hostname: {error}",), (), live=True)
    except OSError as error:
        return classify(error, (), (), live=True)
    if not answer:
        return SourceFault(SOURCE_ERROR_ENDED, "the server closes the connection without an answer")
    return _other_protocol(parts.scheme.lower(), answer)


def _other_protocol(scheme: str, answer: bytes) -> SourceFault | None:
    """The fault of a server whose answer is in another protocol than the URL's."""
    expected = "RTSP" if scheme.startswith("rtsp") else "HTTP"
    status = _STATUS_LINE.match(answer)
    if status is None:
        return SourceFault(
            SOURCE_ERROR_PROTOCOL, f"what answers there does not speak {expected}: check the port"
        )
    spoken = status[1].decode()
    if spoken == expected:
        return None
    said = f"{status[2].decode()} {status[3].decode()}".strip()
    return SourceFault(
        SOURCE_ERROR_PROTOCOL,
        f"an {spoken} server answers there ({said}), not an {expected} server:"
        f" check the port, or write {spoken.lower()}://",
    )


def _connected(parts: SplitResult, settings: DecoderSettings) -> socket.socket:
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    port = parts.port or DEFAULT_PORTS[scheme]
    dialer, wait_s = Dialer.of(settings), min(settings.read_timeout_s, LONGEST_S / 2)
    dial = dialer.dial_tls if scheme.endswith("s") else dialer.dial
    return dial(host, port, wait_s)


def _request(parts: SplitResult) -> bytes:
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme.lower().startswith("rtsp"):
        return f"OPTIONS rtsp://{host}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
    return f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def _first_line(server: socket.socket, until_s: float) -> bytes:
    """What the server says up to the end of a line; less, if it stops in the middle of one."""
    said = b""
    while b"\n" not in said and len(said) < _MAX_BYTES:
        try:
            more = server.recv(_MAX_BYTES)
        except TimeoutError:
            if said:
                break
            raise
        if not more or time.monotonic() > until_s:
            return said + more
        said += more
    return said
