"""Redis servers with TLS: how they are started, and how tests reach them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from services.common.connection import RedisAccess
from tests.support.certificates import Files


def listening(port: int, tls: Files | None) -> list[str]:
    """The flags of a server that listens on a port, with TLS if there are certificates."""
    if tls is None:
        return ["--port", str(port)]
    return [
        "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "yes",
        "--tls-cert-file", str(tls.cert), "--tls-key-file", str(tls.key),
        "--tls-ca-cert-file", str(tls.ca),
    ]  # fmt: skip


def reaching(tls: Files | None) -> dict[str, Any]:
    """The options of a plain client that reaches it."""
    if tls is None:
        return {}
    files = {"ssl_ca_certs": tls.ca, "ssl_certfile": tls.cert, "ssl_keyfile": tls.key}
    return {"ssl": True, **{name: str(path) for name, path in files.items()}}


def access(tls: Files | None) -> RedisAccess:
    """The same, as services take it."""
    return RedisAccess() if tls is None else RedisAccess("", None, tls.ca, tls.cert, tls.key)


def has_tls(binary: str, folder: Path) -> bool:
    """Whether a server is built with TLS: it then misses a certificate, and ends."""
    flags = ["--port", "0", "--tls-port", "1", "--dir", str(folder)]
    said = subprocess.run([binary, *flags], capture_output=True, text=True, timeout=20, check=False)
    return "No tls-cert-file configured" in said.stdout
