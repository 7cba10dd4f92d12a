"""Which instance should take a camera. Every instance computes the same answer by itself."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from services.common.known_fields import known_fields

ALIVE_S = 8.0
"""Two missed renewals. Shorter than a lease, so that no camera waits for an instance that died."""


@dataclass(frozen=True, slots=True)
class Member:
    """An instance of a role, as it announces itself.

    `load`: cameras that it owns, but for finished ones, or prepares to take over.
    `draining`: it takes no more cameras and gives up its own.
    """

    instance: str
    address: str
    device: str
    capacity: int
    load: int
    heartbeat_ms: int
    draining: bool = False

    @property
    def has_room(self) -> bool:
        """Whether it can take one more camera."""
        return not self.draining and self.load < self.capacity

    def __post_init__(self) -> None:
        for name in ("capacity", "load", "heartbeat_ms"):
            if not isinstance(getattr(self, name), int):
                raise TypeError(f"{name} is an integer")

    def to_json(self) -> str:
        """The entry in the hash of members."""
        return json.dumps(asdict(self))


def parse_members(raw: Mapping[bytes, bytes], now_ms: int, alive_ms: int) -> list[Member]:
    """The members whose heartbeat is at most `alive_ms` old."""
    members = []
    for value in raw.values():
        member = _parse(value)
        if member is not None and now_ms - member.heartbeat_ms <= alive_ms:
            members.append(member)
    return members


def gone(raw: Mapping[bytes, bytes], now_ms: int, gone_ms: int) -> list[bytes]:
    """The instances whose heartbeat is more than `gone_ms` old."""
    parsed = ((instance, _parse(value)) for instance, value in raw.items())
    return [
        instance
        for instance, member in parsed
        if member is not None and now_ms - member.heartbeat_ms > gone_ms
    ]


def rank(camera_id: str, instance: str, members: Iterable[Member]) -> int:
    """How many instances with room come before this one for this camera; 0 for the first choice.

    The order is by rendezvous hashing, so an instance that comes or goes changes
    the first choice of as few cameras as possible.
    """
    own = _weight(camera_id, instance)
    return sum(
        1
        for member in members
        if member.instance != instance
        and member.has_room
        and _weight(camera_id, member.instance) > own
    )


def lighter(successor: Member, owner: Member) -> bool:
    """Whether moving one camera from `owner` to `successor` balances the two better.

    That is so if the owner, by load relative to capacity, then still has at least
    as much as the successor. The reverse move is never wanted afterwards, so no
    camera goes back and forth.
    """
    return (owner.load - 1) * successor.capacity >= (successor.load + 1) * owner.capacity


def moves(
    own: Member,
    owners: Mapping[str, str],
    members: Iterable[Member],
    *,
    balance: bool,
    leaving: Mapping[str, int] | None = None,
) -> list[str]:
    """Cameras that this instance should prepare to take over, the most wanted first.

    `owners`: instance by camera id. A camera of an instance that drains goes to
    the first choice among the instances with room. If `balance`, a camera of an
    instance with more than its share goes to one with less, as long as the move
    makes the difference between them smaller. `leaving`: how many cameras of an
    instance have a successor already, which counts them in its own load.
    """
    members = list(members)
    leaving = leaving or {}
    load = {member.instance: member.load - leaving.get(member.instance, 0) for member in members}
    by_name = {member.instance: member for member in members}
    wanted: list[str] = []
    order = sorted(
        owners,
        key=lambda id: (
            not (owners[id] in by_name and by_name[owners[id]].draining),
            rank(id, own.instance, members),
            -_weight(id, own.instance),
        ),
    )
    for camera_id in order:
        owner = by_name.get(owners[camera_id])
        if owner is None or own.draining or own.load >= own.capacity:
            continue
        if owner.draining:
            wants = rank(camera_id, own.instance, members) == 0
        else:
            wants = balance and lighter(own, replace(owner, load=load[owner.instance]))
        if wants:
            wanted.append(camera_id)
            load[owner.instance] -= 1
            own = replace(own, load=own.load + 1)
    return wanted


def _parse(value: bytes) -> Member | None:
    try:
        return Member(**known_fields(Member, json.loads(value)))
    except (ValueError, TypeError):
        return None


@functools.lru_cache(maxsize=1 << 16)
def _weight(camera_id: str, instance: str) -> int:
    digest = hashlib.blake2b(f"{camera_id}\0{instance}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
