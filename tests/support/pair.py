"""Two workers, two decoders and a gateway, as processes that can be killed one by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import redis

from hermes.client import AnswerStream
from hermes.errors import HermesError
from services.cli.processes import Pipeline, wait_ready
from services.common import keys
from services.common.leases import Leases
from tests.support import tiny
from tests.support.pipeline import Running

WHOLE = {"worker": 2, "decoder": 2, "gateway": 1}


class Pair(Running):
    """Two workers, two decoders, one gateway; each process has a name of its own."""

    def __init__(self, pipeline: Pipeline, address: str) -> None:
        super().__init__(pipeline, address)
        self._numbers: Counter[str] = Counter()

    def running(self, kind: str) -> list[str]:
        """The names of the processes of a kind, oldest first."""
        names = [child.name for child in self.pipeline.children]
        return [name for name in names if name.partition("-")[0] == kind]

    @property
    def gateway(self) -> str:
        return self.running("gateway")[0]

    def complete(self) -> None:
        """Start the processes that are missing."""
        self.start(
            *(
                kind
                for kind, wanted in WHOLE.items()
                for _ in range(wanted - len(self.running(kind)))
            )
        )

    def keep_cameras(self, names: list[str]) -> set[str]:
        """Remove all other cameras. Returns those that are left."""
        registered = {camera.id for camera in self.client.list_cameras()}
        for name in registered.difference(names):
            self.client.remove_camera(name)
        return registered.intersection(names)

    def start(self, *kinds: str) -> list[str]:
        """Start services, wait until all are ready, and return their names."""
        media = {"media_root": self.pipeline.folder / "media"}
        ways: dict[str, tuple[str, dict[str, str | Path]]] = {
            "worker": ("hermes_worker", {"model": tiny.folder(), "listen": "127.0.0.1:0"}),
            "decoder": ("decoder", {**media}),
            "gateway": ("query_gateway", {**media, "listen": self.address}),
        }
        started = []
        for kind in kinds:
            self._numbers[kind] += 1
            name = f"{kind}-{self._numbers[kind]}"
            package, settings = ways[kind]
            module = f"services.{package}.main"
            started.append(self.pipeline.start(name, module, instance=name, **settings))
        for child in started:
            wait_ready(child)
        return [child.name for child in started]

    @property
    def redis(self) -> redis.Redis:
        assert self.pipeline.redis is not None
        return redis.Redis.from_url(self.pipeline.redis.url)

    def owned(self, role: keys.Role, *, but: str) -> set[str]:
        """The cameras that an instance other than `but` owns now."""
        leases = Leases(self.redis, role, "test", "")
        ids = [id.decode() for id in self.redis.hkeys(keys.CAMERAS)]  # type: ignore[union-attr]
        now_ms = leases.now_ms()
        owners = leases.owners(ids).items()
        return {id for id, o in owners if o and o.instance != but and o.expires_ms > now_ms}

    def ask(self, camera_id: str, *, max_tokens: int = 4, timeout: float = 20.0) -> AnswerStream:
        return self.client.ask(camera_id, "What now?", max_tokens=max_tokens, timeout=timeout)

    def refused(self, camera_id: str) -> HermesError:
        with pytest.raises(HermesError) as caught:
            self.answer(camera_id)
        return caught.value
