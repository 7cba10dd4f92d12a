"""The memory limit of one camera's process, which the system enforces.

A small file can ask for pictures and references without end. What is beyond the limit is not
given to the decode library, which says so; other cameras are not touched.
"""

from __future__ import annotations

import re
import resource
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_DATA = re.compile(r"^VmData:\s+(\d+) kB", re.M)


def limit_memory(more: int) -> bool:
    """Let this process take `more` bytes beside what it has now. Whether that could be done.

    What counts is memory that can be written to and is not shared (RLIMIT_DATA), not address
    space: threads reserve much of that and never use it.
    """
    with suppress(OSError, ValueError):
        taken = _DATA.search(_STATUS.read_text())
        if taken is None:
            return False
        limit = int(taken[1]) * 1024 + more
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        return True
    return False
