"""Opening a source: the container at a location, or why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import av
from av.container import InputContainer

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_PROTOCOL,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_UNAVAILABLE,
)
from services.common.camera_url import doubtful
from services.common.url_hints import ENCODE
from services.decoder import hardware
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, classify
from services.decoder.first_answer import LONGEST_S, why_no_video
from services.decoder.location import Location
from services.decoder.rtmp_relay import RtmpRelay
from services.decoder.rtsp_answers import RtspAnswers
from services.decoder.rtsp_relay import RtspRelay
from services.decoder.settings import DecoderSettings
from services.decoder.web_files import BUFFER_BYTES
from services.decoder.web_formats import WebFormat

_T = TypeVar("_T")


def longest_open_s(settings: DecoderSettings) -> float:
    """How long opening a source may take, with finding out why it failed."""
    return settings.open_timeout_s + LONGEST_S


LEAST_S = 1.0
"""What a second attempt gets at least."""


class _TcpRefused(Exception):
    """An RTSP server does not send over TCP, and may do so over UDP."""


class Opening:
    """One attempt to open a source.

    `patience_s`: how long a read may take. `live`: whether it is a network source.
    """

    def __init__(
        self,
        location: Location,
        settings: DecoderSettings,
        patience_s: float,
        secrets: tuple[str, ...],
        *,
        live: bool,
    ) -> None:
        self._location = location
        self._settings = settings
        self._patience_s = patience_s
        self._secrets = secrets
        self._live = live
        self._rtsp = location.address.startswith("rtsp")
        self.by_udp = False
        """Whether its pictures are to come over UDP."""

    def format(self) -> WebFormat:
        """What an HTTP source is; the container is opened from the same answer.

        `OTHER` for every other source. Takes up to `longest_open_s`; raises `SourceFault`.
        """
        web = self._location.web
        return WebFormat.OTHER if web is None else self._explaining(lambda: web.open()[1])

    def container(self) -> InputContainer:
        """The open container. Takes up to `longest_open_s`; raises `SourceFault`."""
        until_s = time.monotonic() + self._settings.open_timeout_s
        options, by_udp = self._location.options, self._location.or_by_udp
        if by_udp is not None:
            try:
                return self._explaining(lambda: self._open(options, until_s), or_by_udp=True)
            except _TcpRefused:
                options = by_udp
        return self._explaining(lambda: self._open(options, until_s))

    def _explaining(self, attempt: Callable[[], _T], *, or_by_udp: bool = False) -> _T:
        """What an attempt gives. What fails in it is raised as a `SourceFault`.

        `or_by_udp`: a server that refuses TCP is raised as `_TcpRefused`.
        """
        # The library says why it failed only in its log, and there what an RTSP server said.
        av.logging.set_level(av.logging.TRACE if self._rtsp else av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        lines: list[tuple[int, str, str]] = []
        began_s = time.monotonic()
        try:
            with av.logging.Capture() as lines:
                return attempt()
        except (av.FFmpegError, OSError, ValueError, MemoryError, SourceFault) as error:
            answers = RtspAnswers(text for _, _, text in lines)
            if or_by_udp and answers.refused_transport:
                raise _TcpRefused from None
            why = answers.why(self._location.transport)
            raise why or self._why(error, lines, time.monotonic() - began_s) from None
        finally:
            self.by_udp = RtspAnswers(text for _, _, text in lines).by_udp
            av.logging.set_level(None)

    def _open(self, options: dict[str, str], until_s: float) -> InputContainer:
        timeouts_s = max(until_s - time.monotonic(), LEAST_S), self._patience_s
        hwaccel = hardware.accelerator(self._settings.hwaccel)
        web = self._location.web
        if web is None:
            address = self._location.address
            if self._rtsp:
                address = self._relayed()
            elif address.startswith("rtmp"):
                rtmp = RtmpRelay(address, Dialer.of(self._settings), self._patience_s)
                self._location.relay, address = rtmp, rtmp.url
                options = {**options, "rtmp_tcurl": rtmp.server_url}
            return av.open(
                address,
                "r",
                format=self._location.format,
                options=options,
                timeout=timeouts_s,
                hwaccel=hwaccel,
            )
        file, format = web.open()
        listed = format is WebFormat.PLAYLIST
        return av.open(
            web.playlist() if listed else file,
            "r",
            format="hls" if listed else None,
            options=options,
            buffer_size=BUFFER_BYTES,
            timeout=timeouts_s,
            io_open=web.nested,
            hwaccel=hwaccel,
        )

    def _relayed(self) -> str:
        """The address of a new relay. Raises `SourceFault`."""
        if self._location.relay is not None:
            self._location.relay.close()
        dialer = Dialer.of(self._settings)
        self._location.relay = relay = RtspRelay(self._location.address, dialer, self._patience_s)
        return relay.url

    def _why(
        self, error: Exception, lines: list[tuple[int, str, str]], took_s: float
    ) -> SourceFault:
        """Why an attempt failed. `lines`: what the library logged."""
        if (last := getattr(error, "log", None)) is not None:
            lines.append(last)
        said = [f"[{part}] {text}" for level, part, text in lines if level <= av.logging.ERROR]
        fault = self._meant(error, said)
        if fault.vague:
            fault = self._explained(fault, took_s)
        # A host of that name may well be there, and a path not.
        if fault.error == SOURCE_ERROR_NOT_FOUND and doubtful(self._location.address):
            fault = SourceFault(fault.error, f"{fault.message}; {ENCODE}")
        return fault

    def _meant(self, error: Exception, said: list[str]) -> SourceFault:
        if isinstance(error, SourceFault):
            return error
        if self._location.format is not None:  # a device, of which nothing is fetched
            why = getattr(error, "strerror", None) or type(error).__name__
            return SourceFault(SOURCE_ERROR_UNAVAILABLE, f"the device cannot be opened ({why})")
        fault = classify(error, said, self._secrets, live=self._live)
        ours = self._location.fault
        # That it was a segment which is not there, only the library knows.
        return fault if ours is None or ours.error == fault.error else ours

    def _explained(self, fault: SourceFault, took_s: float) -> SourceFault:
        """What is wrong, for a fault of which the library did not say it."""
        asks = not self._location.address.startswith("rtmp")  # there is no simple question
        why = why_no_video(self._location.address, self._settings) if asks else None
        if why is not None:
            return why
        if took_s >= 0.9 * min(self._settings.open_timeout_s, self._patience_s):
            return SourceFault(SOURCE_ERROR_TIMEOUT, "the server stopped answering")
        if self._location.address.startswith("rtsp") and fault.error == SOURCE_ERROR_CODEC:
            return SourceFault(
                SOURCE_ERROR_PROTOCOL, "its RTSP answers break off or cannot be understood"
            )
        return fault
