"""What leases promise, on each Redis that there is."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from services.common import keys
from services.common.frame_log import Fenced, RedisFrameLog
from services.common.leases import Fence, Lease, Leases, load_script
from tests.support.log_entries import chunk


def worker(client: redis.Redis, instance: str) -> Leases:
    return Leases(client, "worker", instance, f"{instance}:50051")


def acquired(leases: Leases, camera_id: str = "lobby", **options: Any) -> Lease:
    lease = leases.acquire(camera_id, **options)
    assert lease is not None
    return lease


def expire(client: redis.Redis, camera_id: str = "lobby") -> None:
    client.hset(keys.lease(camera_id, "worker"), "expires_ms", 1)


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


def test_a_lease_that_was_not_renewed_is_free(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    before = acquired(one, ttl_s=0.05)
    assert other.acquire("lobby") is None
    time.sleep(0.06)
    after = acquired(other)
    assert after.epoch > before.epoch
    assert after.previous_epoch == before.epoch
    assert one.renew([before], {}) == {"lobby": "LOST"}


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
    client.flushall()
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
    expire(client)
    new = acquired(other)
    for forget in (False, True):
        one.release(old, forget=forget)
        assert other.renew([new], {}) == {"lobby": "KEPT"}


def test_renewal_of_many_in_one_go(client: redis.Redis) -> None:
    one, other = worker(client, "one"), worker(client, "other")
    kept, lost, missing = (acquired(one, camera) for camera in ("kept", "lost", "missing"))
    expire(client, "lost")
    acquired(other, "lost")
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
    expire(client)
    new = acquired(other)
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
    set_aside = load_script(client, "set_aside")
    key = keys.lease("lobby", "worker")
    assert set_aside(keys=[key], args=[10_000]) == 0  # it is there
    client.delete(key)
    assert set_aside(keys=[key], args=[10_000]) == 1
    assert 9_000 < client.pttl(key) <= 10_000
    assert other.owners(["lobby"]) == {"lobby": None}
    assert one.renew([lease], {}) == {"lobby": "MISSING"}
    assert other.acquire("lobby") is None
    assert one.acquire("lobby", above=lease.epoch) is None
    resumed = acquired(one, above=lease.epoch, resume=True)
    assert resumed.epoch > lease.epoch
    assert other.acquire("lobby", resume=True) is None
    client.delete(key)
    set_aside(keys=[key], args=[20])
    time.sleep(0.05)
    assert acquired(other).epoch > resumed.epoch


class TwoInstances(RuleBasedStateMachine):
    """Two instances, one camera, and a Redis on which anything may happen between two calls."""

    client: redis.Redis

    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.client.delete(*keys.all_of("lobby"))
        self.instances = {name: worker(self.client, name) for name in ("one", "other")}
        self.current: Lease | None = None  # the one whose holder may write
        self.free = True  # to be had by either
        self.highest = 0

    @rule(target=leases, name=st.sampled_from(["one", "other"]))
    def acquire(self, name: str) -> Lease:
        lease = self.instances[name].acquire("lobby")
        may = self.free or (self.current is not None and self.current.fence.instance == name)
        assert (lease is not None) == may
        if lease is None:
            return Lease("lobby", "worker", Fence(name, 0))
        assert lease.epoch > self.highest
        self.highest = lease.epoch
        self.current, self.free = lease, False
        return lease

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        outcome = self.instances[lease.fence.instance].renew([lease], {})["lobby"]
        if lease == self.current:
            assert outcome == "KEPT"
            self.free = False
        else:
            exists = self.client.exists(keys.lease("lobby", "worker"))
            assert outcome == ("LOST" if exists else "MISSING")

    @rule(lease=consumes(leases), forget=st.booleans())
    def release(self, lease: Lease, forget: bool) -> None:
        if lease == self.current and forget:
            time.sleep(0.003)  # the next epoch comes from the clock alone
        self.instances[lease.fence.instance].release(lease, forget=forget)
        if lease == self.current:
            self.current, self.free = None, True

    @rule()
    def run_out(self) -> None:
        if self.current is not None:
            expire(self.client)
            self.free = True

    @rule()
    def lose_all_data(self) -> None:
        time.sleep(0.003)
        self.client.delete(*keys.all_of("lobby"))
        self.client.script_flush()
        self.current, self.free = None, True

    @rule(lease=leases)
    def write(self, lease: Lease) -> None:
        fenced = self.instances[lease.fence.instance].put_status([(lease, {"by": lease.epoch})])
        assert (fenced == 0) == (lease == self.current)

    @invariant()
    def redis_names_the_current_holder(self) -> None:
        owner = self.instances["one"].owners(["lobby"])["lobby"]
        named = None if owner is None else Fence(owner.instance, owner.epoch)
        assert named == (None if self.current is None else self.current.fence)


def test_two_instances_never_hold_one_camera(client: redis.Redis) -> None:
    machine = type("Machine", (TwoInstances,), {"client": client})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=25, deadline=None, derandomize=True),
    )
