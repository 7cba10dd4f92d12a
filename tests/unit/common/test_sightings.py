from __future__ import annotations

from dataclasses import replace

from services.common.leases import TTL_S, Owner
from services.common.sightings import AWAY_S, Sightings

OWNER = Owner("one", "one:1", 5, 1000, "serving")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watch(sightings: Sightings, clock: Clock, owner: Owner | None, seconds: float) -> None:
    for _ in range(round(seconds / 0.5)):
        sightings.look({"lobby": owner})
        clock.now += 0.5


def test_an_owner_that_has_not_renewed_for_a_ttl_is_unattended() -> None:
    clock = Clock()
    sightings = Sightings(clock)
    assert sightings.unattended("lobby") is None
    watch(sightings, clock, OWNER, TTL_S - 0.5)
    assert sightings.unattended("lobby") is None
    clock.now += 0.5
    assert sightings.unattended("lobby") == OWNER


def test_a_renewal_or_another_owner_starts_the_ttl_again() -> None:
    for news in (
        replace(OWNER, expires_ms=900),  # by a clock that was stepped back
        replace(OWNER, epoch=6),
        replace(OWNER, instance="other"),
    ):
        clock = Clock()
        sightings = Sightings(clock)
        watch(sightings, clock, OWNER, TTL_S - 1)
        watch(sightings, clock, news, TTL_S - 1)
        assert sightings.unattended("lobby") is None
        watch(sightings, clock, news, 1.5)
        assert sightings.unattended("lobby") == news


def test_a_change_of_other_fields_is_not_a_renewal() -> None:
    clock = Clock()
    sightings = Sightings(clock)
    watch(sightings, clock, OWNER, TTL_S / 2)
    watch(
        sightings,
        clock,
        replace(OWNER, successor="other", successor_state="ready"),
        TTL_S / 2 + 0.5,
    )
    assert sightings.unattended("lobby") is not None


def test_after_a_pause_owners_get_a_full_ttl_to_renew() -> None:
    clock = Clock()
    sightings = Sightings(clock)
    watch(sightings, clock, OWNER, 5)
    clock.now += 60
    watch(sightings, clock, OWNER, TTL_S - 1)
    assert sightings.unattended("lobby") is None
    clock.now += AWAY_S / 2
    watch(sightings, clock, OWNER, 1.5)
    assert sightings.unattended("lobby") == OWNER


def test_a_lease_that_is_gone_is_not_unattended() -> None:
    clock = Clock()
    sightings = Sightings(clock)
    watch(sightings, clock, OWNER, TTL_S + 1)
    watch(sightings, clock, None, 0.5)
    assert sightings.unattended("lobby") is None
