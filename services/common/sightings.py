"""Leases of others, watched: how long each has stood still, by our own clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.common.leases import TTL_S, Owner

AWAY_S = 3.0
"""Whoever has not looked for this long begins to watch anew: Redis may have been out of reach for
everyone, and the owners are to be back first."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    owner: Owner
    since: float


class Sightings:
    """An owner that is alive renews its lease. One that was seen not to for as long as a lease
    lasts has stopped by its own clock, and no clock but ours was asked.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, _Sighting] = {}
        self._looked_at = float("-inf")

    def look(self, owners: Mapping[str, Owner | None]) -> None:
        """These are the leases now. Call it after they were read, and often."""
        now = self._clock()
        before = self._seen if now - self._looked_at < AWAY_S else {}
        self._looked_at, self._seen = now, {}
        for camera_id, owner in owners.items():
            if owner is None:
                continue
            last = before.get(camera_id)
            still = last is not None and _same_lease(last.owner, owner)
            since = last.since if last is not None and still else now
            self._seen[camera_id] = _Sighting(owner, since)

    def unattended(self, camera_id: str) -> Owner | None:
        """The owner that has not renewed for a whole TTL, if there is one."""
        seen = self._seen.get(camera_id)
        if seen is None or self._clock() - seen.since < TTL_S:
            return None
        return seen.owner


def _same_lease(one: Owner, other: Owner) -> bool:
    return (one.instance, one.epoch, one.expires_ms) == (
        other.instance,
        other.epoch,
        other.expires_ms,
    )
