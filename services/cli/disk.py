"""Whether files can be written in a folder, and why not."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

PROBE_BYTES = 64 << 10

_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "the disk reports errors",
    errno.ENOENT: "the folder is gone",
}


def why_unwritable(folder: Path) -> str:
    """Why nothing can be written below `folder`; empty if it can. Writes, and leaves nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        return in_words(error, folder)
    return ""


def in_words(error: OSError, folder: Path) -> str:
    """What an error in writing below `folder` means, for people."""
    words = _WORDS.get(error.errno or 0) or error.strerror or str(error)
    return f"{words}{_room(folder)}" if error.errno == errno.ENOSPC else words


def _room(folder: Path) -> str:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return ""
    return f" ({usage.free >> 10} KiB of {usage.total >> 20} MiB free)"
