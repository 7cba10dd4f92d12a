"""Which instance should take a camera: rendezvous hashing, computed alike by everyone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

ALIVE_S = 8.0
"""Two missed renewals. Less than a lease lasts: nobody waits for the one that died with it."""


@dataclass(frozen=True, slots=True)
class Member:
    """An instance of a role, as it announces itself."""

    instance: str
    address: str
    device: str
    capacity: int
    load: int
    heartbeat_ms: int

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
        and member.load < member.capacity
        and _weight(camera_id, member.instance) > own
    )


def _parse(value: bytes) -> Member | None:
    try:
        return Member(**json.loads(value))
    except (ValueError, TypeError):
        return None  # written by another version


def _weight(camera_id: str, instance: str) -> int:
    digest = hashlib.blake2b(f"{camera_id}\0{instance}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
