"""Where snapshots lie: a folder of any file system that fsspec knows.

A file is written under a name of its own and named in Redis only once it is
whole, so that nothing has to be moved or replaced; its checksum tells whether
what is read is what was written.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from hermes.errors import InvalidInput, SnapshotMismatch
from services.common.redaction import redact

SUFFIX = ".safetensors"


class SnapshotStore:
    """Snapshots below one URL. Thread-safe. All paths are relative to it; errors are OSErrors."""

    def __init__(self, url: str) -> None:
        """Raises `InvalidInput` if the URL's kind needs a package that is not installed."""
        try:
            # What another worker wrote must be seen, whatever was there when we looked last.
            fs, root = url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise InvalidInput("checkpoint_url", redact(f"{url}: {error}")) from error
        self._fs: fsspec.AbstractFileSystem = fs
        self._root = str(root).rstrip("/")

    def check(self) -> None:
        """Write something and take it away again. Raises `InvalidInput` if that cannot be done."""
        probe = f".probe-{os.getpid()}"
        try:
            self.write(probe, b"")
            self.delete(probe)
        except Exception as error:  # each file system has its own
            raise InvalidInput(
                "checkpoint_url", redact(f"cannot be written to: {type(error).__name__}: {error}")
            ) from error

    def write(self, path: str, data: bytes) -> None:
        """Write a file that is not there yet. What could only be written in part is taken away."""
        full = self._full(path)
        try:
            self._fs.makedirs(full.rpartition("/")[0], exist_ok=True)
            with self._fs.open(full, "wb") as file:
                file.write(data)
                file.flush()
                _sync(file)
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm_file(full)
            raise

    def read(self, path: str, limit_bytes: int) -> bytes:
        """Raises FileNotFoundError, and `SnapshotMismatch` if it is larger than `limit_bytes`."""
        full = self._full(path)
        size = int(self._fs.size(full) or 0)
        if size > limit_bytes:
            raise SnapshotMismatch(
                f"the snapshot has {size} bytes; one for this memory has {limit_bytes} at most"
            )
        data: bytes = self._fs.cat_file(full, end=limit_bytes + 1)
        return data

    def delete(self, path: str) -> None:
        """Take a file away; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._full(path))

    def files(self, folder: str) -> list[str]:
        """All snapshots below a folder."""
        try:
            found = self._fs.find(self._full(folder))
        except FileNotFoundError:
            return []
        return [path[len(self._root) + 1 :] for path in found if path.endswith(SUFFIX)]

    def delete_folder(self, folder: str) -> None:
        """Take a folder away with all that is in it."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._full(folder), recursive=True)

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise PermissionError(f"{path!r} lies outside the snapshots' folder")
        return f"{self._root}/{path}"


def _sync(file: Any) -> None:
    """Onto the disk, where there is one: object stores are done when the file is closed."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        os.fsync(file.fileno())
