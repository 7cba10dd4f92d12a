"""Nested files: the segments, keys and playlists that a playlist names."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED, SOURCE_ERROR_UNSPECIFIED
from services.decoder.faults import SourceFault
from services.decoder.joins import Joins
from services.decoder.playlist import MAX_PLAYLIST_BYTES, Playlist, too_long
from services.decoder.web_client import WebClient
from services.decoder.web_files import Decrypted, Faults, Nothing, Remembered, WebFile
from services.decoder.web_formats import MARK, PLAYLIST

NESTED = "its playlist lists playlists that list playlists: add one of those"
RELOAD_S = 0.5
"""A playlist is fetched again after this time at the earliest, whatever it says."""

PAUSES_S = (0.0, 0.3, 0.7)
"""Before each attempt to fetch a segment: the newest may not be everywhere yet."""

READ_BYTES = 64 << 10


class NestedFiles:
    """Opens what a playlist names: FFmpeg calls it for every segment, key and playlist.

    A playlist that cannot be fetched again, or has become something else, is as it was before:
    the source's time-out decides when that is too long.
    """

    def __init__(self, client: WebClient, faults: Faults) -> None:
        self._client = client
        self._faults = faults
        self._loaded_s = 0.0
        self._reading: WebFile | None = None
        self._keys: set[str] = set()
        self.joins = Joins()
        self.remembered = Remembered("", b"")
        """The playlist as it came last."""

    def begin(self, url: str, file: WebFile) -> Playlist:
        """Read a first playlist. Raises `SourceFault`."""
        data = _whole(file, self._faults)
        found = Playlist.parse(data, url)
        self._remember(url, data, found)
        self._loaded_s = time.monotonic()
        return found

    def __call__(
        self, url: str, flags: int, options: Mapping[str, str]
    ) -> Metered | WebFile | Remembered | Nothing:
        """The file; an empty one if there is none."""
        if url == self.remembered.name:
            return self._again()
        try:
            return self._segment(url, options)
        except (SourceFault, ValueError) as error:
            self._faults.note(error)
            return Nothing()

    def _again(self) -> Remembered:
        """The playlist as it is now."""
        url = self.remembered.name
        time.sleep(max(0.0, self._loaded_s + RELOAD_S - time.monotonic()))
        self._loaded_s = time.monotonic()
        try:
            data = _whole(WebFile(self._client, url, self._faults), self._faults)
            if data.startswith(PLAYLIST):
                self._remember(url, data, Playlist.parse(data, url))
        except SourceFault as fault:
            self._faults.note(fault)
        self.remembered.rewind()
        return self.remembered

    def _remember(self, url: str, data: bytes, found: Playlist) -> None:
        self.joins.listed(found)
        self._keys = found.keys
        self.remembered = Remembered(url, data)

    def _segment(self, url: str, options: Mapping[str, str]) -> Metered | WebFile:
        encrypted = url[:7] in ("crypto+", "crypto:")
        url = url[7:] if encrypted else url
        start, end = int(options.get("offset", 0)), int(options.get("end_offset", 0)) or None
        if url in self._keys:
            return self._fetched(url, start, end)
        if self._reading is not None and self._reading.ends_early:
            self.joins.broke_off()
        try:
            self._reading = file = self._fetched(url, start, end)
        except SourceFault:
            self.joins.opened(url, start, there=False)
            raise
        self.joins.opened(url, start, there=True)
        if not encrypted:
            return Metered(file, self.joins)
        clear = Decrypted(file, bytes.fromhex(options["key"]), bytes.fromhex(options["iv"]))
        return Metered(clear, self.joins)

    def _fetched(self, url: str, start: int, end: int | None) -> WebFile:
        failure = SourceFault(SOURCE_ERROR_UNSPECIFIED, "")
        for pause_s in PAUSES_S:
            time.sleep(pause_s)
            try:
                file = WebFile(self._client, url, self._faults, start=start, end=end)
            except SourceFault as fault:
                failure = fault
                if fault.error == SOURCE_ERROR_REFUSED:
                    break
                continue
            if file.begins_with(PLAYLIST):
                file.close()
                raise SourceFault(SOURCE_ERROR_REFUSED, NESTED)
            return file
        raise failure


class Metered:
    """A segment whose bytes are counted."""

    def __init__(self, file: WebFile | Decrypted, joins: Joins) -> None:
        self._file = file
        self._joins = joins

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; none at the end."""
        data = self._file.read(count)
        self._joins.read(len(data))
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _whole(file: WebFile, faults: Faults) -> bytes:
    """All of a playlist. Raises `SourceFault`."""
    data = bytearray()
    while more := file.read(READ_BYTES):
        data += more
        if len(data) > MAX_PLAYLIST_BYTES:
            file.close()
            raise too_long()
    if file.ends_early and (fault := faults.take()) is not None:
        raise fault
    file.close()
    return bytes(data).removeprefix(MARK)
