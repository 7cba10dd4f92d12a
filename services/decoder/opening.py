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
    SOURCE_ERROR_TLS,
)
from services.common.camera_url import doubtful
from services.common.url_hints import ENCODE
from services.decoder.faults import SourceFault, classify
from services.decoder.first_answer import LONGEST_S, why_no_video
from services.decoder.location import Location
from services.decoder.rtsp_answers import RtspAnswers
from services.decoder.settings import DecoderSettings


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
        left_s = self._settings.open_timeout_s - (time.monotonic() - self._began_s)
        timeouts_s = max(left_s, LEAST_S), self._patience_s
        lines: list[tuple[int, str, str]] = []
        try:
            with av.logging.Capture() as lines:
                container = av.open(
                    self._location.address, "r", options=options, timeout=timeouts_s
                )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._why(error, lines, options) from None
        answers = RtspAnswers(text for _, _, text in lines)
        self.by_udp = answers.by_udp
        if (fault := answers.multicast()) is not None:
            container.close()
            raise fault
        return container

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
        fault = classify(error, said, self._secrets, live=self._live)
        if fault.vague:
            fault = self._explained(fault, time.monotonic() - self._began_s)
        elif fault.error == SOURCE_ERROR_TLS:
            fault = why_no_video(self._location.address, self._settings) or fault
        # A host of that name may well be there, and a path not.
        if fault.error == SOURCE_ERROR_NOT_FOUND and doubtful(self._location.address):
            fault = SourceFault(fault.error, f"{fault.message}; {ENCODE}")
        return fault

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
