"""The actions of a round of ownership: `ownership_plan` decides, `ownership` carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hermes.v1.camera_pb2 import Camera
from services.common.leases import Owner

WhyDropped = Literal["removed", "the registry has an older one", "lost", "handed over", "fault"]
WhyAbandoned = Literal[
    "removed",
    "about to end",
    "another instance took it",
    "another instance prepares it",
    "not handed over in time",
]


@dataclass(frozen=True, slots=True)
class Drop:
    """Give up a camera that we hold. `removed`: for good, so that no trace of it is kept."""

    camera_id: str
    why: WhyDropped
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Renew:
    """Renew these leases, with the state to report in each, and announce ourselves."""

    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Give:
    """Stop acting for a camera that we hold; once that is done, hand it to its successor."""

    camera_id: str
    successor: str


@dataclass(frozen=True, slots=True)
class Stay:
    """Go on with a camera that was being handed over."""

    camera_id: str


@dataclass(frozen=True, slots=True)
class Report:
    """Report to the owner of a camera that we prepare whether we are ready."""

    camera_id: str
    owner: Owner
    ready: bool


@dataclass(frozen=True, slots=True)
class Abandon:
    """Prepare a camera no longer. `owner`: to whom this is reported, None if to no one."""

    camera_id: str
    why: WhyAbandoned
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Take the lease of a camera that can be claimed.

    `unattended`: its owner, if that one has stopped. `takes_room`: False if the
    camera counts as ours already, because it was handed to us or we prepared it.
    """

    camera: Camera
    unattended: Owner | None = None
    takes_room: bool = True


@dataclass(frozen=True, slots=True)
class Prepare:
    """Prepare to take over a camera from its owner, unless `at_once` are being prepared."""

    camera: Camera
    owner: Owner
    at_once: int


Action = Drop | Renew | Give | Stay | Report | Abandon | Claim | Prepare


def fits(action: Action, *, room: int, preparing: int) -> bool:
    """Whether an action may still be carried out, after those before it succeeded or failed."""
    match action:
        case Claim(takes_room=True):
            return room > 0
        case Prepare(at_once=at_once):
            return room > 0 and preparing < at_once
        case _:
            return True
