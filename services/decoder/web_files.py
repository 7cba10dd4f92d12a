"""Web files: what FFmpeg reads of an HTTP source, fetched by our own client.

FFmpeg asks here for whatever a playlist names. Nothing raises into it: the library prints a
second exception with all that it holds. It sees an end of file, and the fault is kept.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from services.common.redaction import secrets_of
from services.decoder.dialer import Dialer
from services.decoder.faults import SourceFault, fault_of_web
from services.decoder.settings import DecoderSettings
from services.decoder.web_client import Answer, WebClient

SKIP_BYTES = 512 << 10
"""A step forward that is read rather than asked for anew."""

BUFFER_BYTES = 64 << 10
_AES_BLOCK = 16
_PLAYLIST = b"#EXTM3U"
_PLAYLIST_TYPES = {"application/vnd.apple.mpegurl", "audio/mpegurl", "application/x-mpegurl",
                   "audio/x-mpegurl"}  # fmt: skip
_PLAYLIST_NAMES = (".m3u8", ".m3u", ".hls")


class Faults:
    """What went wrong in one source since it was last asked."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._fault: SourceFault | None = None

    def note(self, error: Exception) -> None:
        """Keep the first."""
        self._fault = self._fault or fault_of_web(error, self._secrets)

    def take(self) -> SourceFault | None:
        """The first one, once."""
        fault, self._fault = self._fault, None
        return fault


class WebFile:
    """The body of a URL as a file. `start`, `end`: the bytes that it consists of."""

    def __init__(
        self, client: WebClient, url: str, faults: Faults, *, start: int = 0, end: int | None = None
    ) -> None:
        """Asks for it. Raises `SourceFault`."""
        self._client = client
        self._faults = faults
        self._asked_url = url
        self._end = end
        self._ahead = b""
        try:
            self._answer: Answer | None = client.open(url, start=start, end=end)
        except (SourceFault, OSError, http.client.HTTPException) as error:
            raise fault_of_web(error, ()) from None
        self.name = self._answer.url
        """FFmpeg takes what a playlist names as relative to this."""
        ranged = self._answer.status == 206
        self._position = start
        self._at = start if ranged else 0
        self._length = _length(self._answer, self._at)
        accepts = self._answer.headers.get("Accept-Ranges", "").strip().lower() == "bytes"
        self._seekable = (ranged or accepts) and self._length is not None

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; none at the end, and when it cannot be read."""
        try:
            data = self._read(count)
        except Exception as error:  # whatever it is, it must not reach the library
            self._faults.note(error)
            self.close()
            return b""
        self._position += len(data)
        return data

    def seekable(self) -> bool:
        """Whether the server sends parts."""
        return self._seekable

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Where the next read begins; the server is asked for it then."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence, self._length or 0)
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def close(self) -> None:
        """Let go of the connection. May be called twice."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def peek(self, count: int) -> bytes:
        """The first bytes, which the next read gives again. Raises what reading raises."""
        while self._answer is not None and len(self._ahead) < count:
            more = self._answer.read(count - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead

    @property
    def is_playlist(self) -> bool:
        """Whether it is HLS, by its first bytes and by what it is called."""
        try:
            begins = self.peek(len(_PLAYLIST)) == _PLAYLIST
        except (OSError, http.client.HTTPException) as error:
            self._faults.note(error)
            return False
        answer = self._answer
        kind = "" if answer is None else answer.headers.get_content_type()
        named = any(
            urlsplit(url).path.lower().endswith(_PLAYLIST_NAMES)
            for url in (self._asked_url, self.name)
        )
        return begins and (named or kind in _PLAYLIST_TYPES)

    def _read(self, count: int) -> bytes:
        last = self._length if self._end is None else min(self._end, self._length or self._end)
        if last is not None:
            count = min(count, last - self._position)
        if count <= 0:
            return b""
        if self._ahead and self._position == self._at:
            data, self._ahead = self._ahead[:count], self._ahead[count:]
            self._at += len(data)
            return data
        self._ahead = b"" if self._position != self._at else self._ahead
        answer = self._there()
        data = answer.read(count)
        self._at += len(data)
        return data

    def _there(self) -> Answer:
        """The answer that goes on at the position."""
        step = self._position - self._at
        if self._answer is not None and 0 <= step <= SKIP_BYTES:
            while self._at < self._position:
                skipped = self._answer.read(self._position - self._at)
                if not skipped:
                    raise EOFError
                self._at += len(skipped)
            return self._answer
        self.close()
        answer = self._client.open(self.name, start=self._position, end=self._end)
        if answer.status != 206 and self._position:
            answer.close()
            self._seekable = False
            raise ConnectionResetError("the server sends no parts any more")
        self._answer, self._at = answer, self._position
        return answer


class Decrypted:
    """A file that was encrypted with AES-128 in CBC mode, as HLS does it."""

    def __init__(self, file: WebFile, key: bytes, start: bytes) -> None:
        """Raises ValueError if the key or the start vector is of another length."""
        self._file = file
        self._cipher: CipherContext = Cipher(algorithms.AES128(key), modes.CBC(start)).decryptor()
        self._kept = b""
        self._ended = False

    def read(self, count: int) -> bytes:
        """Up to `count` bytes and one block; none at the end."""
        while not self._ended and len(self._kept) <= _AES_BLOCK:
            data = self._file.read(max(count - _AES_BLOCK, _AES_BLOCK))
            self._ended = not data
            self._kept += self._cipher.update(data)
        if self._ended:
            rest, self._kept = self._kept, b""
            padding = rest[-1] if rest else 0
            return rest[:-padding] if 0 < padding <= _AES_BLOCK else rest
        cut = min(count, len(self._kept) - _AES_BLOCK)  # the last block may be padded
        data, self._kept = self._kept[:cut], self._kept[cut:]
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Nothing:
    """An empty file, in place of one that cannot be opened."""

    def read(self, count: int) -> bytes:
        """None."""
        return b""

    def close(self) -> None:
        """Nothing to close."""


class NestedFiles:
    """Opens what a playlist names: FFmpeg calls it for every segment, key and playlist."""

    def __init__(self, client: WebClient, faults: Faults) -> None:
        self._client = client
        self._faults = faults

    def __call__(
        self, url: str, flags: int, options: Mapping[str, str]
    ) -> WebFile | Decrypted | Nothing:
        """The file; an empty one if there is none."""
        try:
            return self._opened(url, options)
        except Exception as error:  # whatever it is, it must not reach the library
            self._faults.note(error)
            return Nothing()

    def _opened(self, url: str, options: Mapping[str, str]) -> WebFile | Decrypted:
        encrypted = url[:7] in ("crypto+", "crypto:")
        start, end = int(options.get("offset", 0)), int(options.get("end_offset", 0)) or None
        file = WebFile(
            self._client, url[7:] if encrypted else url, self._faults, start=start, end=end
        )
        if not encrypted:
            return file
        return Decrypted(file, bytes.fromhex(options["key"]), bytes.fromhex(options["iv"]))


def _length(answer: Answer, at: int) -> int | None:
    """How long the whole is, if the server says so. `at`: where the answer begins."""
    of_range = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status == 206 and of_range.isdigit():
        return int(of_range)
    length = answer.headers.get("Content-Length", "")
    return at + int(length) if length.isdigit() else None


class WebSource:
    """Everything of one source that comes over HTTP: its first file, and what that names."""

    def __init__(self, url: str, settings: DecoderSettings, patience_s: float) -> None:
        self._url = url
        self._client = WebClient(Dialer.of(settings), settings.policy.protocols, patience_s)
        self._settings = settings
        self._patience_s = patience_s
        self.faults = Faults(secrets_of(url))
        self.nested = NestedFiles(self._client, self.faults)
        self._file: WebFile | None = None

    def open(self) -> WebFile:
        """The first file. Raises `SourceFault`. Opening as a whole has a time-out."""
        self._client.until_s = time.monotonic() + self._settings.open_timeout_s
        self._file = WebFile(self._client, self._url, self.faults)
        return self._file

    @property
    def sends_parts(self) -> bool:
        """Whether the server sends any part of the first file that it is asked for."""
        return self._file is not None and self._file.seekable()

    def next_packet(self) -> None:
        """A packet came: the next one may take as long as a silence may."""
        self.faults.take()  # what failed before did not matter
        self._client.until_s = time.monotonic() + self._patience_s

    def close(self) -> None:
        """Close every connection. May be called twice."""
        if self._file is not None:
            self._file.close()
        self._client.close()
