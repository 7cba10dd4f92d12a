"""Watches leases: for how long has each not been renewed, by our own clock?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.common.leases import TTL_S, Owner

AWAY_S = 3.0
"""After a pause of this long we start to watch from the beginning. Redis may have been out of reach
for every instance, and the owners need time to renew."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    owner: Owner
    since: float


class Sightings:
    """An owner that has not renewed for a full TTL, by our clock, is taken to have stopped.

    No two clocks are compared, so a clock that is wrong or stepped does no harm.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, _Sighting] = {}
        self._looked_at = float("-inf")

    def look(self, owners: Mapping[str, Owner | None]) -> None:
        """Compare the leases as they are now with those of the last look. Call this often."""
        now = self._clock()
        before = self._seen if now - self._looked_at < AWAY_S else {}
        self._looked_at, self._seen = now, {}
        for camera_id, owner in owners.items():
            if owner is None:
                continue
            last = before.get(camera_id)
            unchanged = last is not None and _same_lease(last.owner, owner)
            since = last.since if last is not None and unchanged else now
            self._seen[camera_id] = _Sighting(owner, since)

    def unattended(self, camera_id: str) -> Owner | None:
        """The owner that has not renewed for a full TTL, if there is one."""
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
