"""Leases: the right to read a camera (decoders) or to keep its memory (workers).

A lease has a fencing epoch that only grows, `max(stored + 1, now in ms)`, even
if Redis loses its data. Redis checks every write of an owner against (instance,
epoch), so an owner that was paused past the end of its lease can do no harm
when it wakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis

from services.common import keys, logs
from services.common.keys import Role
from services.common.scripts import Call, Script, load_script

log = logs.get(__name__)

TTL_S = 10.0
RENEW_EVERY_S = 3.0
SAFETY_S = 1.0
"""An owner stops acting this long before its lease ends, by its own monotonic clock."""
KEEP_KEY_S = 86_400.0
"""Redis deletes a lease that was not renewed for this long: its camera may have been removed."""

OWNER_FIELD: dict[Role, str] = {"worker": "worker_epoch", "decoder": "decoder"}
"""The field of a camera's status that shows that it had an owner of the role."""

SUCCESSOR_TTL_S = 5.0
"""A successor that has not reported for this long is no longer the successor."""

# The fields of a lease that name the successor. Workers of two versions share one Redis during a
# rolling update, so the names stay as they were when a successor was still called an heir.
SUCCESSOR = "heir"
SUCCESSOR_ADDRESS = "heir_address"
SUCCESSOR_STATE = "heir_state"
SUCCESSOR_UNTIL_MS = "heir_until_ms"
_FIELDS = f"""\
local SUCCESSOR, SUCCESSOR_ADDRESS = '{SUCCESSOR}', '{SUCCESSOR_ADDRESS}'
local SUCCESSOR_STATE, SUCCESSOR_UNTIL_MS = '{SUCCESSOR_STATE}', '{SUCCESSOR_UNTIL_MS}'
"""
"""The same names, put before the scripts that use them."""

Renewal = Literal["KEPT", "LOST", "MISSING"]
Candidacy = Literal["SUCCESSOR", "TAKEN", "GONE"]
HandOver = Literal["GIVEN", "KEPT", "LOST"]


@dataclass(frozen=True, slots=True)
class Fence:
    """What Redis checks a write of an owner against."""

    instance: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder knows it. `previous_epoch` is 0 for the first holder."""

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
    """A lease as other instances read it.

    `successor` is the instance that prepares to take the camera over, or "".
    `successor_state` is `preparing` or `ready`.
    """

    instance: str
    address: str
    epoch: int
    expires_ms: int
    state: str
    successor: str = ""
    successor_state: str = ""
    successor_until_ms: int = 0


class Leases:
    """The leases of one role, on Redis. Each operation is one script."""

    def __init__(self, client: redis.Redis, role: Role, instance: str, address: str) -> None:
        self._redis = client
        self._role: Role = role
        self.instance = instance
        self._address = address
        self._acquire = load_script(client, "acquire", _FIELDS)
        self._renew = load_script(client, "renew")
        self._release = load_script(client, "release", _FIELDS)
        self._put_successor = load_script(client, "put_successor", _FIELDS)
        self._hand_over = load_script(client, "hand_over", _FIELDS)
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

        `above`: the new epoch exceeds this one; Redis may have forgotten the
        epoch that we held. `resume`: by our own clock we still hold the lease,
        so a lease that is set aside is set aside for us. `unattended`: an owner
        that has not renewed for a full TTL, by our clock; the lease may be taken
        from this owner, but from no other.
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
        """Keep leases, in one round trip to each node. Returns the outcome by camera id.

        A lease whose command Redis refused, or whose node is away while others are
        not, is missing from the result: whether it was kept is unknown.
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

    def prepare(self, camera_id: str, owner: Owner, *, ready: bool) -> Candidacy:
        """Report to `owner`, in its lease, that we prepare to take the camera over, or are ready.

        Also keeps us the successor for another `SUCCESSOR_TTL_S`.
        """
        return self._as_successor(camera_id, owner, "ready" if ready else "preparing")

    def withdraw(self, camera_id: str, owner: Owner) -> None:
        """Report to `owner` that we no longer prepare to take the camera over."""
        self._as_successor(camera_id, owner, "")

    def _as_successor(self, camera_id: str, owner: Owner, state: str) -> Candidacy:
        reply = self._put_successor(
            keys=[keys.lease(camera_id, self._role)],
            args=[self.instance, self._address, owner.epoch, state, _ms(SUCCESSOR_TTL_S)],
        )
        return cast(Candidacy, reply.decode())

    def hand_over(self, lease: Lease, successor: str, ttl_s: float = TTL_S) -> HandOver:
        """Make a successor that is ready the holder.

        The caller must have stopped acting for the camera: the reply may be lost.
        """
        reply = self._hand_over(
            keys=[keys.lease(lease.camera_id, self._role)],
            args=[self.instance, lease.epoch, successor, _ms(ttl_s)],
        )
        return cast(HandOver, reply.decode())

    def release(self, lease: Lease, *, forget: bool = False) -> None:
        """Give the lease back, if it is still ours. `forget`: delete it altogether."""
        self._release(
            keys=[keys.lease(lease.camera_id, self._role)],
            args=[self.instance, lease.epoch, "forget" if forget else "keep"],
        )

    def put_status(self, statuses: Iterable[tuple[Lease, Mapping[str, str | int | float]]]) -> int:
        """Write status fields under their leases, in one round trip.

        Returns how many writes Redis refused because the lease is not ours.
        """
        calls: list[Call] = []
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
        """The owner of each camera now, whether its lease has expired or not."""
        camera_ids = list(camera_ids)
        with self._redis.pipeline(transaction=False) as pipeline:
            for camera_id in camera_ids:
                pipeline.hgetall(keys.lease(camera_id, self._role))
            replies = pipeline.execute(raise_on_error=False)
        found = zip(camera_ids, replies, strict=True)
        return {camera_id: self._owner(camera_id, reply) for camera_id, reply in found}

    def _owner(self, camera_id: str, reply: Any) -> Owner | None:
        """The owner that a lease names. A key that cannot be read as a lease is deleted."""
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
        """Redis's clock: leases expire by it."""
        seconds, micros = self._redis.time()
        return seconds * 1000 + micros // 1000

    def _pipelined(self, script: Script, calls: list[Call]) -> list[Any]:
        """One reply for each call; None where Redis refused that call, or its node is away."""
        replies = script.each(calls)
        for place, reply in enumerate(replies):
            if isinstance(reply, Exception):
                log.warning("lease_command_refused", key=calls[place][0][0], error=str(reply))
                replies[place] = None
        return replies


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def parse_owner(fields: Mapping[bytes, bytes]) -> Owner | None:
    """The owner that the fields of a lease name, or None if they name none."""
    if not fields.get(b"instance"):
        return None
    return Owner(
        instance=fields[b"instance"].decode(),
        address=fields.get(b"address", b"").decode(),
        epoch=int(fields.get(b"epoch", b"0")),
        expires_ms=int(fields.get(b"expires_ms", b"0")),
        state=fields.get(b"state", b"").decode(),
        successor=fields.get(SUCCESSOR.encode(), b"").decode(),
        successor_state=fields.get(SUCCESSOR_STATE.encode(), b"").decode(),
        successor_until_ms=int(fields.get(SUCCESSOR_UNTIL_MS.encode(), b"0")),
    )
