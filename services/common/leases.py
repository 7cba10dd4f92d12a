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
from redis.exceptions import NoScriptError

from services.common import keys, logs
from services.common.keys import Role

log = logs.get(__name__)

TTL_S = 10.0
RENEW_EVERY_S = 3.0
SAFETY_S = 1.0
"""An owner stops this long before its lease ends, by its own monotonic clock."""
KEEP_KEY_S = 86_400.0
"""The key of a lease that nobody renews goes after this long: it may be of a removed camera."""

OWNER_FIELD: dict[Role, str] = {"worker": "worker_epoch", "decoder": "decoder"}
"""The field of a camera's status that shows that it had an owner of the role."""

HEIR_TTL_S = 5.0
"""Whoever makes ready to be handed a camera says so again within this long."""

Renewal = Literal["KEPT", "LOST", "MISSING"]
Inheritance = Literal["HEIR", "TAKEN", "GONE"]
HandOver = Literal["GIVEN", "KEPT", "LOST"]


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
    """A lease as others see it. `heir`: who makes ready to be handed the camera, "" if nobody."""

    instance: str
    address: str
    epoch: int
    expires_ms: int
    state: str
    heir: str = ""
    heir_state: str = ""
    heir_until_ms: int = 0


def load_script(client: redis.Redis, name: str) -> Any:
    """The script of that name from the folder lua."""
    source = resources.files("services.common.lua").joinpath(f"{name}.lua").read_text()
    return client.register_script(source)


class Leases:
    """The leases of one role, on Redis. Each operation is one script."""

    def __init__(self, client: redis.Redis, role: Role, instance: str, address: str) -> None:
        self._redis = client
        self._role: Role = role
        self.instance = instance
        self._address = address
        self._acquire = load_script(client, "acquire")
        self._renew = load_script(client, "renew")
        self._release = load_script(client, "release")
        self._inherit = load_script(client, "inherit")
        self._hand_over = load_script(client, "hand_over")
        self._put_status = load_script(client, "put_status")

    def acquire(
        self,
        camera_id: str,
        ttl_s: float = TTL_S,
        *,
        above: int = 0,
        resume: bool = False,
        unattended: Owner | None = None,
    ) -> Lease | None:
        """Take the camera's lease, or return None while another instance may hold it.

        `above`: an epoch that the new one must exceed, if Redis may have
        forgotten the one that we held. `resume`: we hold the lease still, by
        our own clock, so that one that is set aside is set aside for us.
        `unattended`: an owner that was seen not to renew for as long as a lease
        lasts, by our own clock; it is taken from that one, and from no other.
        """
        seen = ("", "") if unattended is None else (unattended.epoch, unattended.expires_ms)
        epoch, previous = self._acquire(
            keys=[
                keys.lease(camera_id, self._role),
                keys.aside(camera_id, self._role),
                keys.status(camera_id),
            ],
            args=[
                self.instance,
                self._address,
                _ms(ttl_s),
                above,
                _ms(KEEP_KEY_S),
                "resume" if resume else "begin",
                *seen,
                OWNER_FIELD[self._role],
            ],
        )
        if not epoch:
            return None
        return Lease(camera_id, self._role, Fence(self.instance, int(epoch)), int(previous))

    def renew(
        self, leases: Iterable[Lease], states: Mapping[str, str], ttl_s: float = TTL_S
    ) -> dict[str, Renewal]:
        """Keep leases, in one round trip.

        The outcome by camera id. A lease is missing from it if Redis refused
        that one command: whether it was kept is then unknown.
        """
        leases = list(leases)
        if not leases:
            return {}
        replies = self._pipelined(
            self._renew,
            [
                (
                    [keys.lease(lease.camera_id, self._role)],
                    [
                        self.instance,
                        lease.epoch,
                        _ms(ttl_s),
                        states.get(lease.camera_id, "serving"),
                        _ms(KEEP_KEY_S),
                    ],
                )
                for lease in leases
            ],
        )
        return {
            lease.camera_id: cast(Renewal, reply.decode())
            for lease, reply in zip(leases, replies, strict=True)
            if reply is not None
        }

    def inherit(self, camera_id: str, owner: Owner, *, ready: bool) -> Inheritance:
        """Say that we make ready to be handed the camera by `owner`, or are."""
        return self._told_as_heir(camera_id, owner, "ready" if ready else "preparing")

    def renounce(self, camera_id: str, owner: Owner) -> None:
        """Say that we do not."""
        self._told_as_heir(camera_id, owner, "")

    def _told_as_heir(self, camera_id: str, owner: Owner, state: str) -> Inheritance:
        reply = self._inherit(
            keys=[keys.lease(camera_id, self._role)],
            args=[self.instance, self._address, owner.epoch, state, _ms(HEIR_TTL_S)],
        )
        return cast(Inheritance, reply.decode())

    def hand_over(self, lease: Lease, heir: str, ttl_s: float = TTL_S) -> HandOver:
        """Make an heir that is ready the holder. Whoever calls this acts for the camera no more."""
        reply = self._hand_over(
            keys=[keys.lease(lease.camera_id, self._role)],
            args=[self.instance, lease.epoch, heir, _ms(ttl_s)],
        )
        return cast(HandOver, reply.decode())

    def release(self, lease: Lease, *, forget: bool = False) -> None:
        """Give the lease back, if it is still ours. `forget`: and leave no trace of it."""
        self._release(
            keys=[keys.lease(lease.camera_id, self._role)],
            args=[self.instance, lease.epoch, "forget" if forget else "keep"],
        )

    def put_status(self, statuses: Iterable[tuple[Lease, Mapping[str, str | int | float]]]) -> int:
        """Write status fields under their leases, in one round trip. How many were fenced off."""
        calls: list[tuple[list[str], list[str | int | float]]] = []
        for lease, fields in statuses:
            flat = [part for pair in fields.items() for part in pair]
            if not flat:
                continue
            calls.append(
                (
                    [keys.status(lease.camera_id), keys.lease(lease.camera_id, self._role)],
                    [self.instance, lease.epoch, *flat],
                )
            )
        return sum(1 for reply in self._pipelined(self._put_status, calls) if reply == 0)

    def owners(self, camera_ids: Iterable[str]) -> dict[str, Owner | None]:
        """Who holds each camera now, expired leases included."""
        camera_ids = list(camera_ids)
        with self._redis.pipeline(transaction=False) as pipeline:
            for camera_id in camera_ids:
                pipeline.hgetall(keys.lease(camera_id, self._role))
            replies = pipeline.execute(raise_on_error=False)
        found = zip(camera_ids, replies, strict=True)
        return {camera_id: self._owner(camera_id, reply) for camera_id, reply in found}

    def _owner(self, camera_id: str, reply: Any) -> Owner | None:
        """The owner that a lease names. A key that is no lease is deleted: nobody holds it."""
        key = keys.lease(camera_id, self._role)
        try:
            if not isinstance(reply, Exception):
                return parse_owner(reply)
            if not str(reply).startswith("WRONGTYPE"):
                raise reply
            why: Exception = reply
        except ValueError as error:
            why = error
        log.error("lease_unreadable", key=key, error=str(why))
        self._redis.delete(key)
        return None

    def now_ms(self) -> int:
        """Redis's clock: the one that leases are measured by."""
        seconds, micros = self._redis.time()
        return seconds * 1000 + micros // 1000

    def _pipelined(self, script: Any, calls: list[tuple[list[str], list[Any]]]) -> list[Any]:
        """One reply for each call, in one round trip; None where Redis refused that call.

        A Redis that was restarted has forgotten the script: then, and only
        then, it is loaded and what was refused is sent again.
        """
        replies: list[Any] = [NoScriptError()] * len(calls)
        for attempt in (1, 2):
            waiting = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if not waiting:
                break
            if attempt == 2:
                self._redis.script_load(script.script)
            with self._redis.pipeline(transaction=False) as pipeline:
                for i in waiting:
                    key_list, args = calls[i]
                    pipeline.evalsha(script.sha, len(key_list), *key_list, *args)
                for i, reply in zip(waiting, pipeline.execute(raise_on_error=False), strict=True):
                    replies[i] = reply
        for i, reply in enumerate(replies):
            if isinstance(reply, Exception):
                log.warning("lease_command_refused", key=calls[i][0][0], error=str(reply))
                replies[i] = None
        return replies


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


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
        heir=fields.get(b"heir", b"").decode(),
        heir_state=fields.get(b"heir_state", b"").decode(),
        heir_until_ms=int(fields.get(b"heir_until_ms", b"0")),
    )
