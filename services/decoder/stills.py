"""Stills over HTTP: an MJPEG stream, or a picture that is fetched again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from hermes.errors import Unsupported
from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC, SOURCE_ERROR_REFUSED, SOURCE_ERROR_TIMEOUT
from services.decoder.faults import SourceFault
from services.decoder.multipart import MAX_PART_BYTES, Multipart
from services.decoder.still import StillKind
from services.decoder.web_files import WebFile
from services.decoder.web_source import WebSource

READ_BYTES = 64 << 10
NAP_S = 0.2
"""Longest pause without a sign of life."""

MAX_TEXT_PARTS = 1000
"""Parts without a picture, one after the other: more is no video."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded picture. `at_s`: when it is of, in seconds since the source was opened."""

    data: bytes
    at_s: float


class Stills(Protocol):
    """Coded pictures of one source, as they come."""

    def each(self, on_progress: Callable[[], None]) -> Iterator[Coded]:
        """Pictures until the source ends. `on_progress` is called at least once for each.

        Raises `SourceFault`.
        """
        ...


class PartStills:
    """The pictures of an MJPEG stream.

    Their times are those of their arrival: most cameras note none, and few of those that do
    have a clock that is right.
    """

    def __init__(self, web: WebSource, file: WebFile, clock: Callable[[], float]) -> None:
        self._web = web
        self._file = file
        self._clock = clock
        boundary = file.headers.get_param("boundary", "")
        self._parts = Multipart(boundary if isinstance(boundary, str) else "")

    def each(self, on_progress: Callable[[], None]) -> Iterator[Coded]:
        """See `Stills`."""
        began_s = self._clock()
        foreign = 0
        while data := self._file.read(READ_BYTES):
            on_progress()
            try:
                parts = self._parts.feed(data)
            except Unsupported as error:
                raise SourceFault(SOURCE_ERROR_CODEC, f"not an MJPEG stream: {error}") from None
            for part in parts:
                if StillKind.of(part.body) is None and not part.kind.startswith("image/"):
                    foreign += 1  # cameras send sound and events between pictures
                    if foreign > MAX_TEXT_PARTS:
                        raise SourceFault(SOURCE_ERROR_CODEC, "its parts hold no pictures")
                    continue
                foreign = 0
                yield Coded(part.body, self._clock() - began_s)
            if parts:  # bytes alone are no sign of life
                self._web.next_packet()
        if (fault := self._web.faults.take()) is not None:
            raise fault


class FetchedStills:
    """A picture that is fetched again and again, at most `per_second` times a second.

    One fetch follows the other: a server that is slow gets fewer requests.
    """

    def __init__(
        self, web: WebSource, file: WebFile, per_second: float, clock: Callable[[], float]
    ) -> None:
        """`file`: the first picture, which was asked for already."""
        self._web = web
        self._file = file
        self._period_s = 1 / per_second
        self._clock = clock
        self._conditions: dict[str, str] = {}
        self._newest = b""

    def each(self, on_progress: Callable[[], None]) -> Iterator[Coded]:
        """See `Stills`. There is no picture where the server says that nothing is new."""
        began_s = due_s = self._clock()
        while True:
            on_progress()
            if not self._file.unchanged:
                data = self._body()
                if data != self._newest or not self._conditions:
                    yield Coded(data, due_s - began_s)
                self._newest = data
            # What could not be fetched in its time is left out.
            due_s = max(due_s + self._period_s, self._clock())
            self._wait(due_s, on_progress)
            self._file = self._web.again(self._conditions)

    def _body(self) -> bytes:
        length = self._file.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > MAX_PART_BYTES:
            raise _too_long()
        body = bytearray()
        until_s = time.monotonic() + self._web.patience_s
        while more := self._file.read(READ_BYTES):
            body += more
            if len(body) > MAX_PART_BYTES:
                raise _too_long()
            if time.monotonic() > until_s:
                raise SourceFault(SOURCE_ERROR_TIMEOUT, "its picture did not come in time")
        if (fault := self._web.faults.take()) is not None:
            raise fault
        headers = self._file.headers
        self._conditions = {
            condition: value
            for condition, name in (
                ("If-None-Match", "ETag"),
                ("If-Modified-Since", "Last-Modified"),
            )
            if (value := headers.get(name))
        }
        return bytes(body).lstrip(b"\r\n")  # some cameras end their headers twice

    def _wait(self, until_s: float, on_progress: Callable[[], None]) -> None:
        while (left_s := until_s - self._clock()) > 0:
            time.sleep(min(left_s, NAP_S))
            on_progress()


def _too_long() -> SourceFault:
    return SourceFault(
        SOURCE_ERROR_REFUSED, f"its picture is longer than {MAX_PART_BYTES >> 20} MiB"
    )
