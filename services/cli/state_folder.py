"""The folder of `hermes up --state`: made if need be, checked, and used by one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services.cli.disk import why_unwritable

LOCK_NAME = "lock"
ENDING_WAIT_S = 5.0
"""The Redis of a run that was killed ends within this time."""
_LOOK_EVERY_S = 0.05


class StateUnusable(Exception):
    """The folder cannot be used. The message says why."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """A folder that this process has to itself.

    `lock`: the open lock file. A child that inherits it keeps the folder locked until it ends,
    even if this process is killed: two Redis servers never write to one append-only file.
    """

    path: Path
    lock: int


@contextlib.contextmanager
def open_state(path: Path) -> Iterator[StateFolder]:
    """The folder, locked until the end of the block. Raises `StateUnusable`."""
    folder = _made(path)
    lock = _locked(folder)
    try:
        yield StateFolder(folder, lock)
    finally:
        os.close(lock)


def _made(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)  # URLs with passwords lie in it
        folder = path.resolve()
        os.listdir(folder)
    except FileExistsError as error:
        problem = "is a file: name a folder" if path.exists() else f"cannot be used: {error.strerror}"
        raise StateUnusable(f"--state {path} {problem}") from None
    except NotADirectoryError:
        raise StateUnusable(f"--state {path}: a part of this path is a file") from None
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StateUnusable(f"--state {path} cannot be used: {why}") from None
    if why := why_unwritable(folder):
        raise StateUnusable(f"--state {path} cannot be written to: {why}")
    return folder


def _locked(folder: Path) -> int:
    path = folder / LOCK_NAME
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateUnusable(f"{path} cannot be opened: {error.strerror}") from None
    try:
        until = time.monotonic() + ENDING_WAIT_S
        while not _take(lock, path):
            owner = _read(lock)
            pid = owner.get("pid", 0)
            if _alive(pid):
                raise StateUnusable(
                    f"{folder} is in use by another hermes up (process {pid}, since"
                    f" {owner.get('since', 'a while ago')}): stop that one, or give another --state"
                )
            if time.monotonic() > until:
                raise StateUnusable(
                    f"{folder} is still in use by the Redis of a hermes up that was killed"
                    f" (process {pid}): try again in a moment, or give another --state"
                )
            time.sleep(_LOOK_EVERY_S)
        since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _take(lock: int, path: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StateUnusable(f"{path} cannot be locked: {error.strerror}") from None
    return True


def _read(lock: int) -> dict[str, Any]:
    try:
        owner = json.loads(os.pread(lock, 4096, 0))
    except ValueError:  # the owner is writing it just now
        return {}
    return owner if isinstance(owner, dict) else {}


def _alive(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True
