"""What leases promise, on each Redis that there is."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from services.common import keys
from services.common.frame_log import Fenced, RedisFrameLog
from services.common.leases import SUCCESSOR_UNTIL_MS, Lease, Leases
from tests.support.log_entries import chunk


def worker(client: redis.Redis, instance: str) -> Leases:
    return Leases(client, "worker", instance, f"{instance}:50051")


def acquired(leases: Leases, camera_id: str = "lobby", **options: Any) -> Lease:
    lease = leases.acquire(camera_id, **options)
    assert lease is not None
    return lease


def taken_over(leases: Leases, camera_id: str = "lobby") -> Lease:
    """As one takes it that has watched its owner for a whole TTL."""
    return acquired(leases, camera_id, unattended=leases.owners([camera_id])[camera_id])


def test_one_holder_at_a_time(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    lease = acquired(one)
    assert other.acquire("lobby") is None
    assert other.acquire("dock") is not None
    owner = other.owners(["lobby", "nobody"])
    assert owner["nobody"] is None
    assert owner["lobby"] is not None
    assert owner["lobby"].instance == "one"
    assert owner["lobby"].address == "one:50051"
    assert owner["lobby"].epoch == lease.epoch
    assert 9_000 < owner["lobby"].expires_ms - one.now_ms() <= 10_000


def test_the_two_roles_know_nothing_of_each_other(client: redis.Redis) -> None:
    acquired(worker(client, "one"))
    assert Leases(client, "decoder", "other", "").acquire("lobby") is not None


def test_a_lease_that_was_not_renewed_goes_to_whoever_watched_it(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    before = acquired(one)
    seen = other.owners(["lobby"])["lobby"]
    assert other.acquire("lobby") is None
    time.sleep(0.002)
    one.renew([before], {})
    assert other.acquire("lobby", unattended=seen) is None  # it is alive after all
    after = taken_over(other)
    assert after.epoch > before.epoch
    assert after.previous_epoch == before.epoch
    assert one.renew([before], {}) == {"lobby": "LOST"}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_stepped_clock_takes_no_lease_from_one_that_is_alive(
    client: redis.Redis, hours: int
) -> None:
    """As Redis would see it: what was to end in ten seconds ended an hour ago, or ends in one."""
    one, other = worker(client, "one"), worker(client, "other")
    lease = acquired(one)
    seen = other.owners(["lobby"])["lobby"]
    client.hincrby(keys.lease("lobby", "worker"), "expires_ms", -3_600_000 * hours)
    assert other.acquire("lobby") is None
    assert other.acquire("lobby", unattended=seen) is None
    assert one.renew([lease], {}) == {"lobby": "KEPT"}
    client.hincrby(keys.lease("lobby", "worker"), "expires_ms", -3_600_000 * hours)
    assert taken_over(other).epoch > lease.epoch  # and from one that is not, in its time


def test_a_camera_is_handed_to_a_successor_that_is_ready(client: redis.Redis) -> None:
    one, other, third = (worker(client, name) for name in ("one", "other", "third"))
    lease = acquired(one)
    owner = one.owners(["lobby"])["lobby"]
    assert owner is not None
    assert one.hand_over(lease, "other") == "KEPT"
    assert other.prepare("lobby", owner, ready=False) == "SUCCESSOR"
    assert third.prepare("lobby", owner, ready=True) == "TAKEN"
    assert one.hand_over(lease, "other") == "KEPT"
    assert other.prepare("lobby", owner, ready=True) == "SUCCESSOR"
    seen = one.owners(["lobby"])["lobby"]
    assert seen is not None
    assert (seen.successor, seen.successor_state, seen.instance) == ("other", "ready", "one")
    assert one.renew([lease], {}) == {"lobby": "KEPT"}
    assert one.hand_over(lease, "third") == "KEPT"
    assert one.hand_over(lease, "other") == "GIVEN"
    now = one.owners(["lobby"])["lobby"]
    assert now is not None
    assert (now.instance, now.address, now.successor) == ("other", "other:50051", "")
    assert now.epoch > lease.epoch
    assert one.renew([lease], {}) == {"lobby": "LOST"}
    assert one.hand_over(lease, "other") == "LOST"
    assert other.prepare("lobby", owner, ready=True) == "GONE"
    assert acquired(other).epoch > now.epoch


def test_fields_that_name_the_successor_keep_their_names(client: redis.Redis) -> None:
    """An owner of the last release reads them under these names."""
    one, other = worker(client, "one"), worker(client, "other")
    acquired(one)
    owner = one.owners(["lobby"])["lobby"]
    assert owner is not None
    other.prepare("lobby", owner, ready=True)
    fields = client.hgetall(keys.lease("lobby", "worker"))
    assert (fields[b"heir"], fields[b"heir_address"]) == (b"other", b"other:50051")
    assert fields[b"heir_state"] == b"ready"
    assert int(fields[b"heir_until_ms"]) > one.now_ms()


def test_a_successor_may_withdraw(client: redis.Redis) -> None:
    one, other, third = (worker(client, name) for name in ("one", "other", "third"))
    lease = acquired(one)
    owner = one.owners(["lobby"])["lobby"]
    assert owner is not None
    other.prepare("lobby", owner, ready=True)
    third.withdraw("lobby", owner)  # it is not the successor
    other.withdraw("lobby", owner)
    assert one.hand_over(lease, "other") == "KEPT"
    other.prepare("lobby", owner, ready=True)
    client.hset(keys.lease("lobby", "worker"), SUCCESSOR_UNTIL_MS, 1)  # it has not reported since
    assert one.hand_over(lease, "other") == "KEPT"
    assert third.prepare("lobby", owner, ready=True) == "SUCCESSOR"


def test_a_copy_of_redis_from_before_leaves_the_lease_with_its_holder(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    key = keys.lease("lobby", "worker")
    acquired(one)
    older = client.dump(key)
    assert older is not None
    lease = taken_over(other)
    client.restore(key, 0, older, replace=True)
    assert other.renew([lease], {}) == {"lobby": "MISSING"}
    assert other.acquire("lobby", above=lease.epoch) is None
    assert acquired(other, above=lease.epoch, resume=True).epoch > lease.epoch


def test_a_lease_that_ran_out_untaken_is_kept(client: redis.Redis) -> None:
    one = worker(client, "one")
    lease = acquired(one, ttl_s=0.01)
    time.sleep(0.02)
    assert one.renew([lease], {"lobby": "serving"}) == {"lobby": "KEPT"}
    assert worker(client, "other").acquire("lobby") is None


def test_epochs_grow_through_release(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    epochs = []
    for leases in (one, other, one, one, other):
        lease = acquired(leases)
        epochs.append(lease.epoch)
        leases.release(lease)
        assert leases.owners(["lobby"])["lobby"] is None
    assert epochs == sorted(set(epochs))


def test_epochs_grow_without_release(client: redis.Redis) -> None:
    """Our own lease, taken again: the reply of the first call may have been lost."""
    one = worker(client, "one")
    first, second = acquired(one), acquired(one)
    assert second.epoch > first.epoch
    assert one.renew([first], {}) == {"lobby": "LOST"}


def test_epochs_grow_when_redis_lost_its_data(client: redis.Redis) -> None:
    one = worker(client, "one")
    first = acquired(one)
    time.sleep(0.005)  # epochs are milliseconds: this holds for less than one acquire in each
    client.flushdb()
    assert one.renew([first], {}) == {"lobby": "MISSING"}
    second = acquired(worker(client, "other"))
    assert second.epoch > first.epoch
    assert second.previous_epoch == 0


def test_epochs_stay_above_what_the_holder_knew(client: redis.Redis) -> None:
    """A Redis that lost its data may also have a clock that is behind."""
    far_ahead = 9_000_000_000_000
    assert acquired(worker(client, "one"), above=far_ahead).epoch == far_ahead + 1
    assert acquired(worker(client, "one")).epoch == far_ahead + 2


def test_only_the_holder_releases(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    old = acquired(one)
    new = taken_over(other)
    for forget in (False, True):
        one.release(old, forget=forget)
        assert other.renew([new], {}) == {"lobby": "KEPT"}


def test_renewal_of_many_in_one_go(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    kept, lost, missing = (acquired(one, camera) for camera in ("kept", "lost", "missing"))
    taken_over(other, "lost")
    client.delete(keys.lease("missing", "worker"))
    outcomes = one.renew([kept, lost, missing], {"kept": "replaying"})
    assert outcomes == {"kept": "KEPT", "lost": "LOST", "missing": "MISSING"}
    owner = other.owners(["kept"])["kept"]
    assert owner is not None
    assert owner.state == "replaying"
    assert client.exists(keys.lease("missing", "worker")) == 0
    assert one.renew([], {}) == {}


def test_one_cameras_broken_key_does_not_stop_the_others(client: redis.Redis) -> None:
    one = worker(client, "one")
    leases = [acquired(one, camera) for camera in ("a", "broken", "c")]
    client.delete(keys.lease("broken", "worker"))
    client.set(keys.lease("broken", "worker"), "not a hash")
    assert one.renew(leases, {}) == {"a": "KEPT", "c": "KEPT"}
    assert one.put_status([(lease, {"memory_frames": 1}) for lease in leases]) == 0
    assert client.hget(keys.status("c"), "memory_frames") == b"1"


def test_scripts_are_loaded_again_when_redis_forgot_them(client: redis.Redis) -> None:
    one = worker(client, "one")
    log = RedisFrameLog(client)
    decoder = Leases(client, "decoder", "d", "")
    client.script_flush()
    leases = [acquired(one, "a"), acquired(one, "b")]
    fence = acquired(decoder, "a").fence
    client.script_flush()
    assert one.renew(leases, {}) == {"a": "KEPT", "b": "KEPT"}
    client.script_flush()
    assert one.put_status([(lease, {"memory_frames": 1}) for lease in leases]) == 0
    assert client.hget(keys.status("b"), "memory_frames") == b"1"
    client.script_flush()
    log.append(chunk("a", 1000), fence)
    client.script_flush()
    one.release(leases[0])
    assert one.owners(["a"]) == {"a": None}


def test_status_is_fenced(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    old = acquired(one)
    assert one.put_status([(old, {"memory_frames": 1})]) == 0
    new = taken_over(other)
    assert one.put_status([(old, {"memory_frames": 2, "x": 1})]) == 1
    assert other.put_status([(new, {"memory_frames": 3}), (new, {})]) == 0
    assert client.hgetall(keys.status("lobby")) == {b"memory_frames": b"3"}


def test_after_a_camera_was_removed_its_owner_brings_nothing_back(client: redis.Redis) -> None:
    one, decoder = worker(client, "one"), Leases(client, "decoder", "d", "")
    log = RedisFrameLog(client)
    lease, reading = acquired(one), acquired(decoder)
    log.append(chunk("lobby", 1000), reading.fence)
    one.put_status([(lease, {"memory_frames": 1})])
    client.delete(*keys.all_of("lobby"))

    with pytest.raises(Fenced):
        log.append(chunk("lobby", 2000), reading.fence)
    assert one.put_status([(lease, {"memory_frames": 1})]) == 1
    assert one.renew([lease], {"lobby": "serving"}) == {"lobby": "MISSING"}
    one.release(lease)
    decoder.release(reading, forget=True)
    assert list(client.scan_iter("*lobby*")) == []


def test_forgetting_leaves_no_key(client: redis.Redis) -> None:
    one = worker(client, "one")
    one.release(acquired(one), forget=True)
    assert list(client.scan_iter("*lobby*")) == []


def test_a_key_that_nobody_renews_goes_by_itself(client: redis.Redis) -> None:
    one = worker(client, "one")
    lease = acquired(one)
    key = keys.lease("lobby", "worker")
    for _ in range(2):
        assert 80_000 < client.ttl(key) <= 86_400
        client.persist(key)
        one.renew([lease], {})
    one.release(lease)
    assert 80_000 < client.ttl(key) <= 86_400


def test_a_lease_that_redis_forgot_is_set_aside_for_its_holder(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    lease = acquired(one)
    key, aside = keys.lease("lobby", "worker"), keys.aside("lobby", "worker")
    client.set(aside, 1, px=10_000)
    assert one.renew([lease], {}) == {"lobby": "KEPT"}  # it is there
    client.delete(key)
    assert other.owners(["lobby"]) == {"lobby": None}
    assert one.renew([lease], {}) == {"lobby": "MISSING"}
    assert other.acquire("lobby") is None
    assert one.acquire("lobby", above=lease.epoch) is None
    resumed = acquired(one, above=lease.epoch, resume=True)
    assert resumed.epoch > lease.epoch
    assert other.acquire("lobby", resume=True) is None
    client.delete(key)
    assert other.acquire("lobby") is None
    client.pexpire(aside, 20)
    time.sleep(0.05)
    assert acquired(other).epoch > resumed.epoch
