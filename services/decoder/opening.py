"""Opening a source: the container at a location, or why there is none."""

from __future__ import annotations

import time

import av
from av.container import InputContainer

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_PROTOCOL,
    SOURCE_ERROR_TIMEOUT,
)
from services.common.camera_url import doubtful
from services.common.url_hints import ENCODE
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, classify
from services.decoder.first_answer import LONGEST_S, why_no_video
from services.decoder.location import Location
from services.decoder.rtsp_answers import RtspAnswers
from services.decoder.rtsp_relay import RtspRelay
from services.decoder.settings import DecoderSettings
from services.decoder.web_files import BUFFER_BYTES


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
        self._began_s = 0.0
        self.by_udp = False
        """Whether its pictures are to come over UDP."""

    def container(self) -> InputContainer:
        """The open container. Takes up to `longest_open_s`; raises `SourceFault`."""
        self._began_s = time.monotonic()
        # The library says why it failed only in its log, and there what an RTSP server said.
        av.logging.set_level(av.logging.TRACE if self._rtsp else av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        try:
            try:
                return self._attempt(self._location.options)
            except _TcpRefused:
                assert self._location.or_by_udp is not None
                return self._attempt(self._location.or_by_udp)
        finally:
            av.logging.set_level(None)

    def _attempt(self, options: dict[str, str]) -> InputContainer:
        """Open it with these options. Raises `SourceFault`, and `_TcpRefused`."""
        lines: list[tuple[int, str, str]] = []
        try:
            with av.logging.Capture() as lines:
                container = self._open(options)
        except (av.FFmpegError, OSError, ValueError, MemoryError, SourceFault) as error:
            raise self._why(error, lines, options) from None
        self.by_udp = RtspAnswers(text for _, _, text in lines).by_udp
        return container

    def _open(self, options: dict[str, str]) -> InputContainer:
        left_s = self._settings.open_timeout_s - (time.monotonic() - self._began_s)
        timeouts_s = max(left_s, LEAST_S), self._patience_s
        web = self._location.web
        if web is None:
            address = self._relayed() if self._rtsp else self._location.address
            return av.open(address, "r", options=options, timeout=timeouts_s)
        file = web.open()
        return av.open(
            file,
            "r",
            format="hls" if file.is_playlist else None,
            options=options,
            buffer_size=BUFFER_BYTES,
            timeout=timeouts_s,
            io_open=web.nested,
        )

    def _relayed(self) -> str:
        """The address of a new relay. Raises `SourceFault`."""
        if self._location.relay is not None:
            self._location.relay.close()
        dialer = Dialer.of(self._settings)
        self._location.relay = RtspRelay(self._location.address, dialer, self._patience_s)
        return self._location.relay.url

    def _why(
        self, error: Exception, lines: list[tuple[int, str, str]], options: dict[str, str]
    ) -> Exception:
        """Why an attempt failed. `lines`: what the library logged."""
        answers = RtspAnswers(text for _, _, text in lines)
        if answers.refused_transport and self._location.or_by_udp not in (None, options):
            return _TcpRefused()
        if (fault := answers.why(self._location.transport)) is not None:
            return fault
        if (last := getattr(error, "log", None)) is not None:
            lines.append(last)
        said = [f"[{part}] {text}" for level, part, text in lines if level <= av.logging.ERROR]
        fault = self._meant(error, said)
        if fault.vague:
            fault = self._explained(fault, time.monotonic() - self._began_s)
        # A host of that name may well be there, and a path not.
        if fault.error == SOURCE_ERROR_NOT_FOUND and doubtful(self._location.address):
            fault = SourceFault(fault.error, f"{fault.message}; {ENCODE}")
        return fault

    def _meant(self, error: Exception, said: list[str]) -> SourceFault:
        if isinstance(error, SourceFault):
            return error
        fault = classify(error, said, self._secrets, live=self._live)
        ours = self._location.fault
        # That it was a segment which is not there, only the library knows.
        return fault if ours is None or ours.error == fault.error else ours

    def _explained(self, fault: SourceFault, took_s: float) -> SourceFault:
        """What is wrong, for a fault of which the library did not say it."""
        why = why_no_video(self._location.address, self._settings)
        if why is not None:
            return why
        if took_s >= 0.9 * min(self._settings.open_timeout_s, self._patience_s):
            return SourceFault(SOURCE_ERROR_TIMEOUT, "the server stopped answering")
        if self._location.address.startswith("rtsp") and fault.error == SOURCE_ERROR_CODEC:
            return SourceFault(
                SOURCE_ERROR_PROTOCOL, "its RTSP answers break off or cannot be understood"
            )
        return fault
