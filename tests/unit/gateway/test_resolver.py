"""Which worker may be asked about a camera: policy, without Redis."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hermes.errors import CameraNotReady, Overloaded
from services.common.leases import Owner
from services.common.placement import Member
from services.query_gateway.epochs import Epochs
from services.query_gateway.resolver import Route, choose, current, read_owner, unowned

NOW_MS = 1_000_000
OWNER = Owner("worker-1", "10.0.0.1:50061", epoch=7, expires_ms=NOW_MS + 1, state="serving")


def test_a_serving_owner_is_the_route() -> None:
    assert choose("lobby", OWNER, 7) == Route("lobby", "10.0.0.1:50061", 7)


def test_a_lease_just_taken_is_left_to_its_worker() -> None:
    assert choose("lobby", replace(OWNER, state="acquired"), 0).epoch == 7


@pytest.mark.parametrize(
    ("owner", "newest"),
    [
        pytest.param(replace(OWNER, state="replaying"), 0, id="replaying"),
        pytest.param(replace(OWNER, state="released"), 0, id="released"),
        pytest.param(OWNER, 8, id="older-than-seen"),
    ],
)
def test_other_owners_are_answered_with_a_retry(owner: Owner, newest: int) -> None:
    with pytest.raises(CameraNotReady) as caught:
        choose("lobby", owner, newest)
    assert caught.value.retry_after_s > 0
    assert "lobby" in str(caught.value)
    assert "10.0.0.1" not in str(caught.value)


def worker(load: int) -> Member:
    return Member("w", "w:1", "cpu", capacity=2, load=load, heartbeat_ms=NOW_MS)


@pytest.mark.parametrize(
    "nobody",
    [
        pytest.param(None, id="no-owner"),
        pytest.param(replace(OWNER, expires_ms=NOW_MS), id="expired"),
        pytest.param(replace(OWNER, address=""), id="no-address"),
    ],
)
def test_an_expired_or_empty_lease_has_no_owner(nobody: Owner | None) -> None:
    assert current(nobody, NOW_MS) is None
    assert current(OWNER, NOW_MS) is OWNER


def test_a_camera_is_refused_while_all_workers_are_full() -> None:
    full = unowned("lobby", [worker(2), worker(2)])
    assert isinstance(full, Overloaded)
    assert "lobby" in str(full)
    assert full.retry_after_s > 0


@pytest.mark.parametrize(
    ("workers", "says"),
    [([worker(2), worker(1)], "within seconds"), ([], "no worker is running")],
    ids=["room", "none"],
)
def test_a_camera_that_is_about_to_be_taken(workers: list[Member], says: str) -> None:
    with pytest.raises(CameraNotReady, match=says):
        raise unowned("lobby", workers)


def test_an_unreadable_lease_has_no_owner() -> None:
    assert read_owner("lobby", {b"instance": b"w", b"epoch": b"not a number"}) is None


def test_epochs_only_grow_and_are_bounded() -> None:
    epochs = Epochs(max_cameras=2)
    epochs.saw("a", 5)
    epochs.saw("a", 3)
    assert epochs.newest("a") == 5
    epochs.saw("b", 1)
    epochs.saw("a", 4)  # used again: b is now the one unused for longest
    epochs.saw("c", 1)
    assert (epochs.newest("a"), epochs.newest("b"), epochs.newest("c")) == (5, 0, 1)
    epochs.forget("a")
    epochs.forget("never seen")
    assert epochs.newest("a") == 0
