"""Redis as its pod starts it: the command and the files of the manifest, on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from services.cli.redis_server import free_port
from services.common.connection import RedisAccess, connect
from tests.support.certificates import SERVER, Authority, Files
from tests.support.manifests import KUBECTL, Variant, container
from tests.support.secured_redis import SERVICES, binary
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@dataclass(frozen=True)
class Pod:
    """Its container, with paths and port of this test."""

    variant: Variant
    folder: Path
    tls: Files
    port: int

    def local(self, text: str) -> str:
        return (
            text.replace("/etc/redis/", f"{self.folder}/")
            .replace("/etc/hermes/tls/", f"{self.tls.folder}/")
            .replace("redis-cli", f"redis-cli -p {self.port}")
        )

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | self.variant.environment("hermes-redis")

    def probe(self, kind: str) -> bool:
        command = container(self.variant.workloads["hermes-redis"])[f"{kind}Probe"]["exec"]
        words = [self.local(word) for word in command["command"]]
        text = words[2] if words[0] == "sh" else " ".join(words)
        done = subprocess.run(["sh", "-c", text], env=self.environment, capture_output=True)
        return done.returncode == 0


@contextmanager
def running(variant: Variant, folder: Path, tls: Files) -> Iterator[Pod]:
    pod = Pod(variant, folder, tls, free_port())
    folder.mkdir()
    (data,) = (
        one["data"]
        for one in variant.of_kind("ConfigMap")
        if one["metadata"]["name"].startswith("hermes-redis-")
    )
    for name, text in data.items():
        given = pod.local(text).replace("dir /data", f"dir {folder}")
        (folder / name).write_text(given.replace("tls-port 6379", f"tls-port {pod.port}"))
    if "with-tls.conf" not in data:
        (folder / "with-port.conf").write_text(f"port {pod.port}\n")
    command = [pod.local(word) for word in container(variant.workloads["hermes-redis"])["command"]]
    process = subprocess.Popen(command, env=pod.environment, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: pod.probe("readiness"), 10, "ready")
        yield pod
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("components", [(), ("tls",), ("redis-acl",), ("tls", "redis-acl")])
def test_it_starts_is_probed_and_lets_in_whom_it_should(
    tmp_path: Path, components: tuple[str, ...]
) -> None:
    binary()
    tls = Authority("cluster").issue(tmp_path / "tls", "hermes-redis", purposes=(SERVER,))
    with running(Variant("cpu-dev", components), tmp_path / "redis", tls) as pod:
        assert pod.probe("startup")
        assert pod.probe("liveness")
        scheme, ca = ("rediss", tls.ca) if "tls" in components else ("redis", None)
        url = f"{scheme}://127.0.0.1:{pod.port}/0"
        password = tmp_path / "password"

        def enter(user: str, secret: str) -> redis.Redis:
            password.write_text(secret)
            client = connect(url, access=RedisAccess(user, password, ca))
            client.ping()
            return client

        with enter("default", "secret-password") as admin:
            assert admin.config_get("maxmemory") == {"maxmemory": str(512 << 20)}
            assert admin.config_get("appendonly") == {"appendonly": "yes"}
        for service in SERVICES:
            if "redis-acl" in components:
                with enter(f"hermes-{service}", f"secret-{service}") as client:
                    assert client.time()
            with pytest.raises(redis.AuthenticationError):
                enter(f"hermes-{service}", "secret-password")
        with pytest.raises(redis.AuthenticationError):
            connect(url, access=RedisAccess(ca_file=ca)).ping()
