"""Web sources: everything of one camera that comes over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from services.common import logs
from services.common.redaction import secrets_of
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault
from services.decoder.nested_files import NESTED, NestedFiles
from services.decoder.picture import FrameSize
from services.decoder.settings import DecoderSettings
from services.decoder.web_client import WebClient
from services.decoder.web_files import Faults, Remembered, WebFile
from services.decoder.web_formats import WebFormat

log = logs.get(__name__)

MOST_VARIANTS = 3
"""Variants of a playlist that are tried, should the best one not be there."""


class WebSource:
    """Everything of one source that comes over HTTP: its first file, and what that names."""

    def __init__(self, url: str, settings: DecoderSettings, patience_s: float) -> None:
        self._url = url
        self._client = WebClient(Dialer.of(settings), settings.policy.protocols, patience_s)
        self._settings = settings
        self.patience_s = patience_s
        """The longest silence."""
        self.faults = Faults(secrets_of(url))
        self.nested = NestedFiles(self._client, self.faults)
        self._bound = FrameSize.parse(settings.frame_size).pixels
        self._file: WebFile | None = None
        self._format: WebFormat | None = None
        self._playlist: Remembered | None = None

    def open(self) -> tuple[WebFile, WebFormat]:
        """The first file, and what it is; the same ones again when it is asked again.

        Raises `SourceFault`. Opening as a whole has a time-out.
        """
        if self._file is None or self._format is None:
            self._client.until_s = time.monotonic() + self._settings.open_timeout_s
            self._file = WebFile(self._client, self._url, self.faults)
            self._format = self._file.format()
        return self._file, self._format

    def playlist(self) -> Remembered:
        """The playlist of segments that the first file is, or the best one of which it lists.

        Raises `SourceFault`.
        """
        file, _ = self.open()
        found = self.nested.begin(file.name, file)
        if not found.variants:
            return self.nested.remembered
        failure: SourceFault | None = None
        for variant in found.best_first(self._bound)[:MOST_VARIANTS]:
            try:
                inner = WebFile(self._client, variant.url, self.faults)
                if self.nested.begin(inner.name, inner).variants:
                    raise SourceFault(SOURCE_ERROR_REFUSED, NESTED)
            except SourceFault as fault:
                failure = failure or fault
                continue
            log.info("variant_chosen", pixels=variant.pixels, bits_per_s=variant.bits_per_s)
            return self.nested.remembered
        raise failure or SourceFault(SOURCE_ERROR_REFUSED, "its playlist lists no video")

    def again(self, headers: Mapping[str, str]) -> WebFile:
        """The first file, asked for anew. Raises `SourceFault`."""
        if self._file is not None:
            self._file.close()
        self.next_packet()
        self._file = WebFile(self._client, self._url, self.faults, start=None, headers=headers)
        return self._file

    @property
    def sends_parts(self) -> bool:
        """Whether the server sends any part of the first file that it is asked for."""
        return self._file is not None and self._file.seekable()

    def next_packet(self) -> None:
        """A packet came: the next one may take as long as a silence may."""
        self.faults.take()  # what failed before did not matter
        self._client.until_s = time.monotonic() + self.patience_s

    def close(self) -> None:
        """Close every connection. May be called twice."""
        if self._file is not None:
            self._file.close()
        self._client.close()
