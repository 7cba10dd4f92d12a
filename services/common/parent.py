"""Child processes that end with their parent, however it ends."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys

_PR_SET_PDEATHSIG = 1

DIE_WITH_PARENT = "HERMES_DIE_WITH_PARENT"
"""Environment variable: the process id of the command that a service is to end with.

The service itself asks the kernel for that: doing so between fork and exec would run
Python's fork hooks in the parent, and a Ctrl-C that arrives in one of those is lost.
"""


def _load_libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None


_LIBC = _load_libc() if sys.platform == "linux" else None  # loaded before any fork


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """Ask the kernel to signal this process when the thread that started it ends.

    Called by the child. Does nothing outside Linux.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number)


def obey_environment() -> None:
    """End with the parent if the environment asks for it. Called first thing by a service."""
    parent = os.environ.get(DIE_WITH_PARENT)
    if parent:
        die_with_parent()
        if str(os.getppid()) != parent:
            sys.exit(0)  # the parent ended before the kernel was asked


def ending_with_parent() -> list[str]:
    """A command prefix that does the same for other programs; empty where it is not available."""
    found = shutil.which("setpriv") if sys.platform == "linux" else None
    return [found, "--pdeathsig", "TERM"] if found else []
