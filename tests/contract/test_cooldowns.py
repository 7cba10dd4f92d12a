"""What the cooldown of a watch over all its cameras promises, in memory and on each Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from services.hermes_worker.watches.cooldown import Claim, Cooldowns, RedisCooldowns
from tests.contract.conftest import REDISES, emptied
from tests.support.watched import InMemoryCooldowns

MINUTE = 60_000
NOW = 1_700_000_000_000


@pytest.fixture(params=["in memory", *REDISES])
def cooldowns(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> Iterator[Cooldowns]:
    if request.param == "in memory":
        yield InMemoryCooldowns()
        return
    for client in emptied(url_of(request.param)):
        yield RedisCooldowns(client)


def claimed(
    cooldowns: Cooldowns,
    camera_id: str,
    at_ms: int,
    sent_ms: int | None = None,
    watch: str = "fall",
) -> bool:
    sent = None if sent_ms is None else NOW + sent_ms
    return cooldowns.claim(Claim(watch, camera_id, NOW + at_ms, sent), MINUTE)


def test_one_camera_holds_the_others_back(cooldowns: Cooldowns) -> None:
    assert claimed(cooldowns, "lobby", 0)
    assert not claimed(cooldowns, "dock", MINUTE - 1)
    assert not claimed(cooldowns, "dock", 1 - MINUTE)  # its clock is behind
    assert claimed(cooldowns, "dock", MINUTE)
    assert not claimed(cooldowns, "lobby", 2 * MINUTE - 1, sent_ms=0)


def test_watches_have_cooldowns_of_their_own(cooldowns: Cooldowns) -> None:
    assert claimed(cooldowns, "lobby", 0)
    assert claimed(cooldowns, "lobby", 1, watch="queue")


def test_a_claim_that_no_event_followed_is_its_cameras_still(cooldowns: Cooldowns) -> None:
    """The owner ended in between, or did not hear the answer."""
    assert claimed(cooldowns, "lobby", 0)
    assert not claimed(cooldowns, "dock", 1000)
    assert claimed(cooldowns, "lobby", 2000)
    assert not claimed(cooldowns, "lobby", 3000, sent_ms=2000)


def test_without_a_cooldown_nothing_holds_back(cooldowns: Cooldowns) -> None:
    for at_ms in (NOW, NOW):
        assert cooldowns.claim(Claim("fall", "lobby", at_ms, at_ms), 0)
