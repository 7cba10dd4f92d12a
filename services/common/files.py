"""Files that settings name (certificates, keys, passwords), and files for our user alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

PRIVATE_UMASK = 0o077
"""For processes that write what cameras saw: their files are 0600, their folders 0700."""


class UnusableFile(Exception):
    """A file that a setting names cannot be used. The message says which, and why."""


def read_file(path: Path) -> bytes:
    """The contents of the file. Raises `UnusableFile`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror}") from None


def read_line(path: Path) -> str:
    """The single line of the file, without its line end. Raises `UnusableFile`."""
    lines = read_file(path).decode(errors="replace").splitlines()
    if len(lines) != 1 or not lines[0]:
        raise UnusableFile(f"{path} must hold one line, and holds {len(lines)}")
    return lines[0]


def private_folder(path: Path) -> Path:
    """The folder, made if need be, which only its owner may enter. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & PRIVATE_UMASK:  # made by an earlier version, or by hand
        path.chmod(0o700)
    return path


def write_private(path: Path) -> IO[bytes]:
    """The file, emptied and open for writing, which only its owner may read. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # it may be left from an earlier run
    return os.fdopen(descriptor, "wb")


def append_private(path: Path) -> IO[bytes]:
    """The file, open for writing at its end, which only its owner may read. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
