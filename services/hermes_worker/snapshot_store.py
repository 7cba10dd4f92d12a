"""Stores snapshots in a folder of any file system that fsspec knows.

Each snapshot gets a new name, and Redis is given the name once the file is
whole, so no file is ever moved or replaced. A checksum in the file shows whether
it is read as it was written.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from hermes.errors import InvalidInput, SnapshotCorrupt, SnapshotMismatch
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
        self._local = isinstance(fs, LocalFileSystem)

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
            self._make_folder(full.rpartition("/")[0])
            with self._fs.open(full, "wb") as file:
                if self._local:
                    os.chmod(full, 0o600)  # it holds what a camera saw
                file.write(data)
                file.flush()
                _sync(file)
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm_file(full)
            raise

    def read(self, path: str, limit_bytes: int) -> bytes:
        """Raises FileNotFoundError, `SnapshotCorrupt` if this is no file (a folder, a pipe), and
        `SnapshotMismatch` if it is larger than `limit_bytes`.
        """
        full = self._full(path)
        found = self._fs.info(full)
        if found.get("type", "file") != "file":
            raise SnapshotCorrupt(f"there is no file but a {found['type']}")
        size = int(found.get("size") or 0)
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

    def files(self, folder: str, suffix: str = SUFFIX) -> list[str]:
        """All snapshots below a folder, or all files that end with another suffix."""
        try:
            found = self._fs.find(self._full(folder))
        except FileNotFoundError:
            return []
        return [path[len(self._root) + 1 :] for path in found if path.endswith(suffix)]

    def delete_folder(self, folder: str) -> None:
        """Delete a folder with all that is in it, and the folders above it that are then empty."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._full(folder), recursive=True)
        if not self._local:
            return  # object stores have no folders
        for parent in PurePosixPath(folder).parents:
            if str(parent) == ".":
                return
            with contextlib.suppress(OSError):
                os.rmdir(self._full(str(parent)))

    def _make_folder(self, full: str) -> None:
        if not self._local:
            self._fs.makedirs(full, exist_ok=True)
            return
        missing = []
        path = PurePosixPath(full)
        while not os.path.isdir(path):
            missing.append(path)
            path = path.parent
        for folder in reversed(missing):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.chmod(folder, 0o700)

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise PermissionError(f"{path!r} lies outside the snapshots' folder")
        return f"{self._root}/{path}"


def _sync(file: Any) -> None:
    """Onto the disk, where there is one: object stores are done when the file is closed."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        os.fsync(file.fileno())
