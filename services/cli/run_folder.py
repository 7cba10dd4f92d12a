"""The temporary folder of one run. Only the logs of a failed run are kept."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.cli.processes import StartFailed
from services.cli.redis_server import NoRedis


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A new folder. It goes at the end; if a service failed, its logs stay to be read."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    except (StartFailed, NoRedis):
        keep_logs(folder)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def keep_logs(folder: Path) -> None:
    """Delete everything below `folder` but logs: frames and URLs do not stay for a failure."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.suffix != ".log":
                path.unlink()
