"""Files that settings name: certificates, keys, passwords."""

from __future__ import annotations

from pathlib import Path


class UnusableFile(Exception):
    """A file that a setting names cannot be used. The message says which, and why."""


def read_file(path: Path) -> bytes:
    """What the file holds. Raises `UnusableFile`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror}") from None


def read_line(path: Path) -> str:
    """The one line that the file holds, without its end. Raises `UnusableFile`."""
    lines = read_file(path).decode(errors="replace").splitlines()
    if len(lines) != 1 or not lines[0]:
        raise UnusableFile(f"{path} must hold one line, and holds {len(lines)}")
    return lines[0]
