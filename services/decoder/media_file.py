"""Media files: opened below the media folder, and nowhere else, even while it changes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hermes.v1.camera_pb2 import SOURCE_ERROR_NOT_FOUND
from services.common.cameras import SourcePolicy, resolve_file
from services.decoder.faults import SourceFault, classify

TRIES = 3
"""A link may be put in the place of a folder after the path was looked up."""

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC  # never waits on a pipe
_EXCHANGED = {errno.ELOOP, errno.ENOTDIR}


def open_media(url: str, policy: SourcePolicy) -> int:
    """A descriptor of the regular file that `url` names.

    Raises `InvalidInput` for one outside the media folder, and `SourceFault`.
    """
    for tries_left in reversed(range(TRIES)):
        path = resolve_file(url, policy)
        assert policy.media_root is not None  # or the path would have been refused
        try:
            descriptor = _open_below(policy.media_root.resolve(), path)
        except OSError as error:
            if error.errno in _EXCHANGED and tries_left:
                continue
            if error.errno == errno.ELOOP:
                raise SourceFault(SOURCE_ERROR_NOT_FOUND, "its folder was exchanged") from None
            raise classify(error, (), (), live=False) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            break
        return descriptor
    raise SourceFault(SOURCE_ERROR_NOT_FOUND, "it is not a regular file")


def _open_below(root: Path, path: Path) -> int:
    """Open `path` one folder after the other, so that no link is followed.

    It holds none: links were resolved before, when it was checked that they lead inside.
    """
    *folders, name = path.relative_to(root).parts
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
