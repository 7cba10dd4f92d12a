"""Leases: who may read a camera, and who may remember it.

A lease has a fencing epoch that only grows, `max(stored + 1, now in ms)`, even
across a Redis that lost its data. Every write that only an owner may make is
checked against (instance, epoch) inside Redis, so that an owner that was
paused past its lease can do no harm when it wakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, cast

import redis

from services.common import keys
from services.common.keys import Role

TTL_S = 10.0
RENEW_EVERY_S = 3.0
SAFETY_S = 1.0
"""An owner stops this long before its lease ends, by its own monotonic clock."""

Renewal = Literal["KEPT", "LOST", "MISSING"]


@dataclass(frozen=True, slots=True)
class Fence:
    """What a fenced write is checked against."""

    instance: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder knows it. `previous_epoch` is 0 if nobody held it before."""

    camera_id: str
    role: Role
    fence: Fence
    previous_epoch: int = 0

    @property
    def epoch(self) -> int:
        """The fencing epoch."""
        return self.fence.epoch


@dataclass(frozen=True, slots=True)
class Owner:
    """A lease as others see it."""

    instance: str
    address: str
    epoch: int
    expires_ms: int
    state: str


def _script(client: redis.Redis, name: str) -> Any:
    source = resources.files("services.common.lua").joinpath(f"{name}.lua").read_text()
    return client.register_script(source)


class Leases:
    """The leases of one role, on Redis. Each operation is one script."""

    def __init__(self, client: redis.Redis, role: Role, instance: str, address: str) -> None:
        self._redis = client
        self._role: Role = role
        self._instance = instance
        self._address = address
        self._acquire = _script(client, "acquire")
        self._renew = _script(client, "renew")
        self._release = _script(client, "release")
        self._put_status = _script(client, "put_status")

    def acquire(self, camera_id: str, ttl_s: float = TTL_S) -> Lease | None:
        """Take the camera's lease, or return None while another instance holds it."""
        epoch, previous = self._acquire(
            keys=[keys.lease(camera_id, self._role)],
            args=[self._instance, self._address, int(ttl_s * 1000)],
        )
        if not epoch:
            return None
        return Lease(camera_id, self._role, Fence(self._instance, int(epoch)), int(previous))

    def renew(
        self, leases: Iterable[Lease], states: Mapping[str, str], ttl_s: float = TTL_S
    ) -> dict[str, Renewal]:
        """Keep leases, in one round trip. The outcome by camera id."""
        leases = list(leases)
        if not leases:
            return {}
        replies = self._pipelined(
            self._renew,
            [
                (
                    [keys.lease(lease.camera_id, self._role)],
                    [
                        self._instance,
                        lease.epoch,
                        int(ttl_s * 1000),
                        states.get(lease.camera_id, "serving"),
                    ],
                )
                for lease in leases
            ],
        )
        return {
            lease.camera_id: cast(Renewal, reply.decode())
            for lease, reply in zip(leases, replies, strict=True)
        }

    def release(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours."""
        self._release(
            keys=[keys.lease(lease.camera_id, self._role)], args=[self._instance, lease.epoch]
        )

    def put_status(self, statuses: Iterable[tuple[Lease, Mapping[str, str | int | float]]]) -> int:
        """Write status fields under their leases, in one round trip. How many were fenced off."""
        calls: list[tuple[list[str], list[str | int | float]]] = []
        for lease, fields in statuses:
            flat = [part for pair in fields.items() for part in pair]
            calls.append(
                (
                    [keys.status(lease.camera_id), keys.lease(lease.camera_id, self._role)],
                    [self._instance, lease.epoch, *flat],
                )
            )
        return sum(1 for reply in self._pipelined(self._put_status, calls) if not reply)

    def owners(self, camera_ids: Iterable[str]) -> dict[str, Owner | None]:
        """Who holds each camera now, expired leases included."""
        camera_ids = list(camera_ids)
        with self._redis.pipeline(transaction=False) as pipeline:
            for camera_id in camera_ids:
                pipeline.hgetall(keys.lease(camera_id, self._role))
            replies = pipeline.execute()
        return dict(zip(camera_ids, map(parse_owner, replies), strict=True))

    def now_ms(self) -> int:
        """Redis's clock: the one that leases are measured by."""
        seconds, micros = cast(tuple[int, int], self._redis.time())
        return seconds * 1000 + micros // 1000

    def _pipelined(self, script: Any, calls: list[tuple[list[str], list[Any]]]) -> list[Any]:
        if not calls:
            return []
        with self._redis.pipeline(transaction=False) as pipeline:
            for key_list, args in calls:
                script(keys=key_list, args=args, client=pipeline)
            return pipeline.execute()


def parse_owner(fields: Mapping[bytes, bytes]) -> Owner | None:
    """The owner that a lease hash names, or None if it names none."""
    if not fields.get(b"instance"):
        return None
    return Owner(
        instance=fields[b"instance"].decode(),
        address=fields.get(b"address", b"").decode(),
        epoch=int(fields.get(b"epoch", b"0")),
        expires_ms=int(fields.get(b"expires_ms", b"0")),
        state=fields.get(b"state", b"").decode(),
    )
