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
from services.common.url_hints import ENCODE, password_ends_host
from services.decoder import hardware
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, classify
from services.decoder.first_answer import LONGEST_S, why_no_video
from services.decoder.location import Location
from services.decoder.rtmp_relay import RtmpRelay
from services.decoder.rtsp_relay import RtspRelay
from services.decoder.settings import DecoderSettings
from services.decoder.web_files import BUFFER_BYTES
from services.decoder.web_formats import WebFormat

_T = TypeVar("_T")


def longest_open_s(settings: DecoderSettings) -> float:
    """How long opening a source may take, with finding out why it failed."""
    return settings.open_timeout_s + LONGEST_S


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

    def format(self) -> WebFormat:
        """What an HTTP source is; the container is opened from the same answer.

        `OTHER` for every other source. Takes up to `longest_open_s`; raises `SourceFault`.
        """
        web = self._location.web
        return WebFormat.OTHER if web is None else self._explaining(lambda: web.open()[1])

    def container(self) -> InputContainer:
        """The open container. Takes up to `longest_open_s`; raises `SourceFault`."""
        return self._explaining(self._open)

    def _explaining(self, attempt: Callable[[], _T]) -> _T:
        """What an attempt gives. What fails in it is raised as a `SourceFault`."""
        # The library says why it failed only in its log.
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        lines: list[tuple[int, str, str]] = []
        began_s = time.monotonic()
        try:
            with av.logging.Capture() as lines:
                return attempt()
        except (av.FFmpegError, OSError, ValueError, MemoryError, SourceFault) as error:
            if (last := getattr(error, "log", None)) is not None:
                lines.append(last)
            said = [f"[{part}] {text}" for _, part, text in lines]
            fault = self._meant(error, said)
            if fault.vague:
                fault = self._explained(fault, time.monotonic() - began_s)
            if fault.error == SOURCE_ERROR_NOT_FOUND and password_ends_host(self._location.address):
                fault = SourceFault(fault.error, f"{fault.message}; {ENCODE}")
            raise fault from None
        finally:
            av.logging.set_level(None)

    def _open(self) -> InputContainer:
        timeouts_s = self._settings.open_timeout_s, self._patience_s
        options, web = self._location.options, self._location.web
        hwaccel = hardware.accelerator(self._settings.hwaccel)
        if web is None:
            address = self._location.address
            if address.startswith("rtsp"):
                dialer = Dialer.of(self._settings)
                self._location.relay = relay = RtspRelay(address, dialer, self._patience_s)
                address = relay.url
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
