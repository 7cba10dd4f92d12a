"""Reports to a launcher which ports a service has bound."""

from __future__ import annotations

import json
import os
from pathlib import Path


def announce(path: str, **ports: str | int) -> None:
    """Write `ports` as JSON to `path`, unless it is empty. The file appears in one step."""
    if not path:
        return
    target = Path(path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(ports) + "\n")
    partial.replace(target)


def reachable(listen: str, port: int) -> str:
    """host:port at which this machine reaches a server that listens on `listen`."""
    host = listen.rpartition(":")[0]
    if host in ("0.0.0.0", "[::]", ""):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{host}:{port}"
