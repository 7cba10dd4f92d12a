"""Which instance should take a camera: rendezvous hashing, computed alike by everyone."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

ALIVE_S = 8.0
"""Two missed renewals. Less than a lease lasts: nobody waits for the one that died with it."""


@dataclass(frozen=True, slots=True)
class Member:
    """An instance of a role, as it announces itself.

    `load`: cameras that it has or makes ready for. `draining`: it takes none
    and wants to be rid of those it has.
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
        """Whether it may take one more."""
        return not self.draining and self.load < self.capacity

    def __post_init__(self) -> None:
        for name in ("capacity", "load", "heartbeat_ms"):
            if not isinstance(getattr(self, name), int):
                raise TypeError(f"{name} is an integer")

    def to_json(self) -> str:
        """For the members hash."""
        return json.dumps(asdict(self))


def parse_members(raw: Mapping[bytes, bytes], now_ms: int, alive_ms: int) -> list[Member]:
    """The members whose heartbeat is younger than `alive_ms`."""
    members = []
    for value in raw.values():
        member = _parse(value)
        if member is not None and now_ms - member.heartbeat_ms <= alive_ms:
            members.append(member)
    return members


def gone(raw: Mapping[bytes, bytes], now_ms: int, gone_ms: int) -> list[bytes]:
    """The instances that have given no sign of life for `gone_ms`."""
    parsed = ((instance, _parse(value)) for instance, value in raw.items())
    return [
        instance
        for instance, member in parsed
        if member is not None and now_ms - member.heartbeat_ms > gone_ms
    ]


def rank(camera_id: str, instance: str, members: Iterable[Member]) -> int:
    """How many instances with room come before this one for this camera. 0: it is the first."""
    own = _weight(camera_id, instance)
    return sum(
        1
        for member in members
        if member.instance != instance
        and member.has_room
        and _weight(camera_id, member.instance) > own
    )


def lighter(heir: Member, owner: Member) -> bool:
    """Whether the two are nearer to each other, by share of their capacity, with one camera moved.

    Never true again of the same two the other way round, so that no camera goes
    back and forth.
    """
    return (owner.load - 1) * heir.capacity >= (heir.load + 1) * owner.capacity


def moves(
    own: Member, owners: Mapping[str, str], members: Iterable[Member], *, balance: bool
) -> list[str]:
    """Cameras that this instance should make ready to be handed, the most wanted first.

    `owners`: instance by camera id. Those of an instance that drains go to the
    first choice among all that have room. Those of one that has more than its
    share, if `balance`, go to whoever has less, as far as that brings the two
    nearer to each other.
    """
    members = list(members)
    load = {member.instance: member.load for member in members}
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
        return Member(**json.loads(value))
    except (ValueError, TypeError):
        return None  # written by another version


@functools.lru_cache(maxsize=1 << 16)
def _weight(camera_id: str, instance: str) -> int:
    digest = hashlib.blake2b(f"{camera_id}\0{instance}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
