"""Why a source is not online: every exception of the decode library as one of a closed set.

The only place where text of that library is read. It carries the URL, so what
leaves here has been redacted, and only known phrases decide the code.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterable

import av
import av.error as errors

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_MEMORY,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_TLS,
    SOURCE_ERROR_UNAVAILABLE,
    SOURCE_ERROR_UNREACHABLE,
    SOURCE_ERROR_UNSPECIFIED,
    SourceError,
)
from services.common.redaction import redact

MAX_MESSAGE = 300
"""Characters; a report carries no longer ones."""


class SourceFault(Exception):
    """A source cannot be read.

    `permanent`: trying again cannot help. `vague`: the decode library did not say what is wrong.
    `final_after`: seen so many times in a row, it is permanent.
    """

    def __init__(
        self,
        error: SourceError,
        message: str,
        *,
        permanent: bool = False,
        vague: bool = False,
        final_after: int | None = None,
    ) -> None:
        # A library's text may hold bytes that are no text; a report carries what fits.
        self.message = message.encode(errors="replace").decode()[:MAX_MESSAGE]
        super().__init__(self.message)
        self.error = error
        self.permanent = permanent
        self.vague = vague
        self.final_after = final_after


STALLED = SourceFault(SOURCE_ERROR_TIMEOUT, "the reader was stuck and was restarted")
"""Reported by the watchdog for a process that no longer can."""

FLOODED = SourceFault(SOURCE_ERROR_UNSPECIFIED, "the reader sent too many reports; restarted")
"""Reported by the supervisor for a process that it killed."""


NO_RANGES = SourceFault(
    SOURCE_ERROR_CODEC,
    "the file's index (moov) is at its end, and the server answers no range requests to read it"
    " from there: move it to the front (qt-faststart IN OUT, or"
    " ffmpeg -i IN -c copy -movflags +faststart OUT)",
    final_after=3,
)
"""The server may also have failed at that moment, so it is tried again before it is final."""

NO_DATAGRAMS = SourceFault(
    SOURCE_ERROR_TIMEOUT,
    "the server agreed to send over UDP, and nothing arrived: let it through the firewall, or take"
    " tcp as the camera's transport if the server knows it",
)

ELSEWHERE = SourceFault(
    SOURCE_ERROR_REFUSED,
    "it leads to a protocol that is not allowed here: add the address that it leads to",
)
"""A redirect or a playlist names something that may not be opened."""

_BY_TYPE: tuple[tuple[tuple[type[BaseException], ...], SourceError, str], ...] = (
    (
        (MemoryError,),
        SOURCE_ERROR_MEMORY,
        "it needs more memory than one camera may take: have the camera send smaller pictures, or"
        " raise --camera-memory of the decoder",
    ),
    (
        (errors.HTTPUnauthorizedError, errors.HTTPForbiddenError),
        SOURCE_ERROR_AUTH,
        "wrong or missing credentials",
    ),
    ((errors.HTTPNotFoundError,), SOURCE_ERROR_NOT_FOUND, "the server has no such path"),
    ((errors.ExitError, TimeoutError), SOURCE_ERROR_TIMEOUT, "no answer, or no data, in time"),
    ((ConnectionRefusedError,), SOURCE_ERROR_REFUSED, "the connection was refused"),
    ((FileNotFoundError, NotADirectoryError), SOURCE_ERROR_NOT_FOUND, "there is no such file"),
    ((PermissionError,), SOURCE_ERROR_REFUSED, "the file may not be read"),
    ((IsADirectoryError,), SOURCE_ERROR_NOT_FOUND, "it is a folder, not a file"),
    (
        (errors.HTTPServerError,),
        SOURCE_ERROR_UNAVAILABLE,
        "the server says that it cannot serve now",
    ),
    ((EOFError, ConnectionError), SOURCE_ERROR_ENDED, "the server closed the connection"),
    (
        (errors.HTTPClientError,),
        SOURCE_ERROR_REFUSED,
        "the server refused the request",
    ),
)

_NO_WAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}

_BY_PHRASE: tuple[tuple[str, SourceError, str], ...] = (
    (
        "format not on whitelist",
        SOURCE_ERROR_REFUSED,
        "its format is not read here: give a video file, or make one of it, for example with"
        " ffmpeg -i IN -pix_fmt yuv420p OUT.mp4",
    ),
    (
        "not on whitelist",
        SOURCE_ERROR_REFUSED,
        ELSEWHERE.message,
    ),
    (
        "moov atom not found",
        SOURCE_ERROR_CODEC,
        "its index (moov) is missing: it is cut, or is still being written",
    ),
    (
        "not in allowed_",
        SOURCE_ERROR_REFUSED,
        "it is a playlist of files that are not allowed here: add what it lists",
    ),
    (
        "error when loading first segment",
        SOURCE_ERROR_NOT_FOUND,
        "the playlist is there, but its first segment cannot be read",
    ),
    (
        "temporary failure in name resolution",
        SOURCE_ERROR_UNREACHABLE,
        "no name server answers: is the network up?",
    ),
    ("failed to resolve hostname", SOURCE_ERROR_NOT_FOUND, "there is no such host"),
    ("certificate", SOURCE_ERROR_TLS, "the server's certificate is not trusted"),
    ("unexpected tls packet", SOURCE_ERROR_TLS, "the server does not speak TLS"),
    ("handshake", SOURCE_ERROR_TLS, "the encrypted connection could not be made"),
)


_REFUSED = re.compile(r"method [A-Z_]+ failed: (\d{3}) \((.{1,60})\)")
_UNREAD = re.compile(r"\[(\w{1,20})[\w,]*\] Format not on whitelist")


def fault_of_status(status: int, reason: str) -> SourceFault:
    """What the status of an HTTP answer means. `reason`: what the server says beside it."""
    detail = f"{status} {re.sub(r'[^ -~]', '', reason)[:60]}".strip()
    if status in (401, 403):
        code, words = SOURCE_ERROR_AUTH, "wrong or missing credentials"
    elif status in (404, 410):
        code, words = SOURCE_ERROR_NOT_FOUND, "the server has no such path"
    elif status >= 500:
        code, words = SOURCE_ERROR_UNAVAILABLE, "the server says that it cannot serve now"
    else:
        code, words = SOURCE_ERROR_REFUSED, "the server refused the request"
    return SourceFault(code, redact(f"{words} ({detail})"))


_CERTIFICATES = {
    10: "it has run out",
    9: "it is not valid yet: are the clocks right?",
    18: "it is signed by itself: give it as tls_ca_file, if it is the camera's own",
    19: "its authority is not trusted here: give that as tls_ca_file",
    20: "its authority is not known here: give that as tls_ca_file",
    62: "it is for another name: write the name in it in place of the host",
    64: "it is for another address: write the name in it in place of the host",
}
"""OpenSSL's reasons for which there is something to be done."""


def fault_of_web(error: Exception, secrets: tuple[str, ...]) -> SourceFault:
    """What an exception of a request means, be it a connection's or a response's."""
    if isinstance(error, SourceFault):
        return error
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):  # which, is up to the Python
        error = ConnectionResetError("the connection ended too soon")
    if isinstance(error, ssl.SSLError):
        reason = str(getattr(error, "verify_message", "") or error.reason or "")
        reason = _CERTIFICATES.get(getattr(error, "verify_code", 0), reason)
        if "CERTIFICATE" in (error.reason or ""):
            return _tls("the server's certificate is not trusted", reason, secrets)
        if error.reason in (
            "WRONG_VERSION_NUMBER",
            "RECORD_LAYER_FAILURE",
            "PACKET_LENGTH_TOO_LONG",
        ):
            return _tls("the server does not speak TLS", reason, secrets)
        return _tls("the encrypted connection could not be made", reason, secrets)
    if isinstance(error, socket.gaierror):
        return classify(error, (f"Failed to resolve hostname: {error}",), secrets, live=True)
    if isinstance(error, (OSError, MemoryError)):
        return classify(error, (), secrets, live=True)
    # What it says may be anything, for example the first line of another protocol.
    return SourceFault(
        SOURCE_ERROR_CODEC, f"not an HTTP answer ({type(error).__name__})", vague=True
    )


def _tls(words: str, reason: str, secrets: tuple[str, ...]) -> SourceFault:
    return SourceFault(SOURCE_ERROR_TLS, redact(f"{words} ({reason})", secrets))


def classify(
    error: BaseException, lines: Iterable[str], secrets: tuple[str, ...], *, live: bool
) -> SourceFault:
    """What an exception of the decode library means.

    `lines`: what the library logged while it failed, as `[part] text`. `live`: a network source,
    of which nothing but a refusal by policy is final.
    """
    if not live and isinstance(error, EOFError):  # it may grow: it is tried again
        return SourceFault(
            SOURCE_ERROR_CODEC, "the file ends too soon: it is cut, or is still being written"
        )
    lines = list(lines)
    said = [line.lower() for line in lines]
    code, words = _meaning(error, said)
    detail = error.strerror if isinstance(error, (av.FFmpegError, OSError)) else str(error)
    for line in lines:
        if refused := _REFUSED.search(line):
            detail = f"{refused[1]} {refused[2]}"  # the library's own text knows but a few statuses
        if unread := _UNREAD.match(line):
            detail = f"format: {unread[1]}"
    message = redact(f"{words} ({detail or type(error).__name__})", secrets)
    permanent = not live and code in (SOURCE_ERROR_CODEC, SOURCE_ERROR_REFUSED)
    # The library calls everything invalid data that it did not expect, silence too.
    unsaid = isinstance(error, errors.InvalidDataError) and not said
    vague = live and (unsaid or code in (SOURCE_ERROR_ENDED, SOURCE_ERROR_TIMEOUT))
    return SourceFault(code, message, permanent=permanent, vague=vague)


def _meaning(error: BaseException, lines: list[str]) -> tuple[SourceError, str]:
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        return SOURCE_ERROR_UNREACHABLE, "no way leads to the host"
    for kinds, code, words in _BY_TYPE:
        if isinstance(error, kinds):
            return code, words
    for phrase, code, words in _BY_PHRASE:
        if any(phrase in line for line in lines):
            return code, words
    if isinstance(error, (errors.InvalidDataError, errors.LookupError, errors.PatchWelcomeError)):
        return SOURCE_ERROR_CODEC, "not a video that can be decoded"
    if isinstance(error, OSError):
        return SOURCE_ERROR_ENDED, "the connection broke"
    return SOURCE_ERROR_CODEC, "the source cannot be decoded"
