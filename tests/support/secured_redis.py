"""A Redis of a test's own, with the users of deploy/, and with TLS if it is given certificates."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from services.cli.redis_server import free_port
from services.common.connection import RedisAccess, connect
from services.common.parent import ending_with_parent
from tests.support.certificates import Files
from tests.support.redis_tls import listening
from tests.support.waiting import eventually

USERS = Path(__file__).parents[2] / "deploy/k8s/components/redis-acl/users.acl"
SERVICES = ("decoder", "worker", "gateway", "notifier")


@dataclass(frozen=True)
class SecuredRedis:
    """Where it is, and files that hold each user's password."""

    folder: Path
    port: int
    tls: Files | None

    @property
    def url(self) -> str:
        return f"redis{'s' if self.tls else ''}://127.0.0.1:{self.port}/0"

    def settings(self, service: str) -> dict[str, Any]:
        """The settings of a service."""
        found: dict[str, Any] = {
            "redis_url": self.url,
            "redis_username": f"hermes-{service}",
            "redis_password_file": self.folder / service,
        }
        if self.tls is not None:
            found |= {
                "redis_tls_ca_file": self.tls.ca,
                "redis_tls_cert_file": self.tls.cert,
                "redis_tls_key_file": self.tls.key,
            }
        return found

    def access(self, service: str) -> RedisAccess:
        """The same, as connections take it."""
        user = "default" if service == "admin" else f"hermes-{service}"
        files = (self.tls.ca, self.tls.cert, self.tls.key) if self.tls else ()
        return RedisAccess(user, self.folder / service, *files)

    def connect(self, service: str) -> redis.Redis:
        return connect(self.url, access=self.access(service))

    def refusals(self) -> list[tuple[str, str, str]]:
        """Who was refused what since the last call: user, reason, object."""
        with self.connect("admin") as admin:
            logged = admin.acl_log(100)
            admin.acl_log_reset()
        return [(one["username"], one["reason"], one["object"]) for one in logged]


def binary() -> str:
    """An installed redis-server of version 7 or newer: 6 lacks rules that users need."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server is installed")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"v=(\d+)\.", said)
    if version is None or int(version[1]) < 7:
        pytest.skip(f"redis-server 7 or newer is needed, this is {said.strip()}")
    return found


@contextmanager
def secured_redis(folder: Path, tls: Files | None = None) -> Iterator[SecuredRedis]:
    """Start it. Passwords are the services' names, `admin` that of the default user."""
    folder.mkdir()
    users = USERS.read_text()
    for name in ("admin", *SERVICES):
        (folder / name).write_text(f"{name}\n")
        users = users.replace(f"#{name.upper()} ", f"#{hashlib.sha256(name.encode()).hexdigest()} ")
    (folder / "users.acl").write_text(users)
    port = free_port()
    log = folder / "redis.log"
    process = subprocess.Popen(
        [
            *ending_with_parent(), binary(), *listening(port, tls), "--bind", "127.0.0.1",
            "--dir", str(folder), "--save", "",
            "--aclfile", str(folder / "users.acl"), "--logfile", str(log),
        ]
    )  # fmt: skip
    made = SecuredRedis(folder, port, tls)

    def up() -> bool:
        if process.poll() is not None:
            text = log.read_text()
            if "tls" in text and "TLS" not in text:
                pytest.skip("redis-server is built without TLS")
            raise AssertionError(text)
        try:
            with made.connect("admin") as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    try:
        eventually(up, 10, "Redis")
        yield made
    finally:
        process.terminate()
        process.wait()
