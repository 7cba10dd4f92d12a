"""Web files: what FFmpeg reads of an HTTP source, fetched by our own client.

FFmpeg asks here for whatever a playlist names. Nothing raises into it: the library prints a
second exception with all that it holds. It sees an end of file, and the fault is kept.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Mapping
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from services.decoder.faults import SourceFault, fault_of_web
from services.decoder.web_client import Answer, WebClient
from services.decoder.web_formats import FIRST_BYTES, PART_BYTES, TEXT_BYTES, WebFormat, is_text

SKIP_BYTES = 512 << 10
"""A step forward that is read rather than asked for anew."""

BUFFER_BYTES = 64 << 10
_AES_BLOCK = 16


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
        self,
        client: WebClient,
        url: str,
        faults: Faults,
        *,
        start: int | None = 0,
        end: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Asks for it. Raises `SourceFault`. `start`: None does not speak of parts."""
        self._client = client
        self._faults = faults
        self.ends_early = False
        """Whether less of it came than should."""
        self._asked_url = url
        self._end = end
        self._ahead = b""
        try:
            self._answer: Answer | None = client.open(url, headers, start=start, end=end)
        except (SourceFault, OSError, http.client.HTTPException) as error:
            raise fault_of_web(error, ()) from None
        self.name = self._answer.url
        """FFmpeg takes what a playlist names as relative to this."""
        self.unchanged = self._answer.status == 304
        """Whether there is nothing new, as a request with conditions asked."""
        ranged = self._answer.status == 206
        self._position = start or 0
        self._at = self._position if ranged else 0
        self._length = _length(self._answer, self._at)
        accepts = self._answer.headers.get("Accept-Ranges", "").strip().lower() == "bytes"
        self._seekable = (ranged or accepts) and self._length is not None

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; none at the end, and when it cannot be read."""
        try:
            data = self._read(count)
        except (SourceFault, OSError, http.client.HTTPException, ValueError) as error:
            self._faults.note(error)
            self.ends_early = True
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

    def begins_with(self, data: bytes) -> bool:
        """Whether these are its first bytes. False if it cannot be read."""
        try:
            return self.peek(len(data)) == data
        except (SourceFault, OSError, http.client.HTTPException, ValueError) as error:
            self._faults.note(error)
            return False

    @property
    def headers(self) -> http.client.HTTPMessage:
        """What the server says beside the body; nothing once it is closed."""
        return http.client.HTTPMessage() if self._answer is None else self._answer.headers

    def format(self) -> WebFormat:
        """What it is. Raises `SourceFault`, also for a format that is refused by name."""
        kind = self.headers.get_content_type() if self.headers.get("Content-Type") else ""
        try:
            # Not more than is needed: the rest may be long in coming.
            first = b"" if kind.startswith("multipart/") else self.peek(FIRST_BYTES)
            if is_text(first):
                first = self.peek(PART_BYTES if first.startswith(b"--") else TEXT_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise fault_of_web(error, ()) from None
        paths = tuple(urlsplit(url).path for url in (self._asked_url, self.name))
        return WebFormat.of(kind, first, paths)

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


class Remembered:
    """A file that was read already."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        """Its URL."""
        self._data = io.BytesIO(data)

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; none at the end."""
        return self._data.read(count)

    def rewind(self) -> None:
        """Read it from its beginning again."""
        self._data.seek(0)

    def close(self) -> None:
        """Nothing to close."""


class Nothing:
    """An empty file, in place of one that cannot be opened."""

    def read(self, count: int) -> bytes:
        """None."""
        return b""

    def close(self) -> None:
        """Nothing to close."""


def _length(answer: Answer, at: int) -> int | None:
    """How long the whole is, if the server says so. `at`: where the answer begins."""
    of_range = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status == 206 and of_range.isdigit():
        return int(of_range)
    length = answer.headers.get("Content-Length", "")
    return at + int(length) if length.isdigit() else None
