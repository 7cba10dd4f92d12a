"""A folder that all processes of a test run share, for what is costly to make.

tests/conftest.py makes it at the start of a run, and removes it at the end.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

VARIABLE = "TEST_RUN_FOLDER"


def create() -> Path:
    """Make the folder of this run. Processes that are started from now on find it.

    Their temporary files go there as well, because tests kill processes that would
    have removed their own. pytest's do not: it keeps those of the last runs.
    """
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    made = Path(tempfile.mkdtemp(prefix="hermes-tests-"))
    os.environ[VARIABLE] = os.environ["TMPDIR"] = tempfile.tempdir = str(made)
    return made


@functools.cache
def run_folder() -> Path:
    """The folder of this run; where no run has one, a folder of this process alone."""
    if found := os.environ.get(VARIABLE):
        return Path(found)
    made = Path(tempfile.mkdtemp(prefix="hermes-tests-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The file or folder of this name. The first process that asks makes it, others wait.

    `make` writes it at the path that it is given. It is shared: copy it to change it.
    """
    path = run_folder() / name
    with (run_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when it is closed, or its process ends
        if not path.exists():
            unfinished = run_folder() / f"{name}.unfinished"
            make(unfinished)
            unfinished.rename(path)
    return path
