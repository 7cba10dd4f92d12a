"""What every frame log promises, run on each implementation and each Redis."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes.v1.frames_pb2 import FrameChunk
from services.common import connection, keys
from services.common.frame_log import (
    BEGINNING,
    Fenced,
    FrameLog,
    LogId,
    OutOfOrder,
    RedisFrameLog,
)
from services.common.leases import Fence, Leases
from tests.contract.conftest import REDISES, emptied
from tests.support.examples import at_most
from tests.support.in_memory_frame_log import InMemoryFrameLog
from tests.support.log_entries import chunk


@dataclass
class Rig:
    """A frame log, and what stands around it in a deployment."""

    log: FrameLog
    grant: Callable[[str], Fence]
    """Makes a new decoder the owner of the camera."""
    put_raw: Callable[[str, LogId, bytes], object]


def in_memory() -> Rig:
    log = InMemoryFrameLog()
    epochs = itertools.count(1)

    def grant(camera_id: str) -> Fence:
        fence = Fence(f"decoder-{next(epochs)}", next(epochs))
        log.set_fence(camera_id, fence)
        return fence

    return Rig(log, grant, log.put_raw)


def on_redis(client: redis.Redis) -> Rig:
    numbers = itertools.count(1)

    def grant(camera_id: str) -> Fence:
        leases = Leases(client, "decoder", f"decoder-{next(numbers)}", "")
        lease = leases.acquire(camera_id, unattended=leases.owners([camera_id])[camera_id])
        assert lease is not None
        return lease.fence

    def put_raw(camera_id: str, id: LogId, payload: bytes) -> None:
        client.xadd(keys.frames(camera_id), {"c": payload}, id=str(id))

    return Rig(RedisFrameLog(client), grant, put_raw)


@pytest.fixture(params=["in memory", *REDISES])
def rig(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> Iterator[Rig]:
    if request.param == "in memory":
        yield in_memory()
        return
    for client in emptied(url_of(request.param)):
        yield on_redis(client)


def ids(log: FrameLog, camera_id: str = "lobby", after: LogId = BEGINNING) -> list[LogId]:
    return [entry.id for entry in log.read({camera_id: after}, count=1000, block_s=0)]


def test_what_is_appended_is_read(rig: Rig) -> None:
    fence = rig.grant("lobby")
    sent = chunk("lobby", 1000, 1500, payload=b"\x00\xff" * 500)
    assert rig.log.append(sent, fence) == LogId(1500)
    (entry,) = rig.log.read({"lobby": BEGINNING}, count=10, block_s=0)
    assert (entry.camera_id, entry.id, entry.chunk) == ("lobby", LogId(1500), sent)
    assert rig.log.last_id("lobby") == LogId(1500)
    assert rig.log.size("lobby") >= 2000


def test_the_last_entries_of_several_cameras_are_read_at_once(rig: Rig) -> None:
    for camera_id, at in (("lobby", 1000), ("dock", 2000)):
        rig.log.append(chunk(camera_id, at), rig.grant(camera_id))
    last = {"dock": LogId(2000), "nobody": BEGINNING, "lobby": LogId(1000)}
    assert rig.log.last_ids(list(last)) == last
    assert rig.log.last_ids([]) == {}


def test_an_unknown_camera_is_empty(rig: Rig) -> None:
    assert rig.log.last_id("nobody") == BEGINNING
    assert rig.log.size("nobody") == 0
    assert ids(rig.log, "nobody") == []


def test_a_retried_append_is_not_doubled(rig: Rig) -> None:
    fence = rig.grant("lobby")
    first, second = chunk("lobby", 1000), chunk("lobby", 2000)
    for sent in (first, first, second, second, first):
        assert rig.log.append(sent, fence) == LogId(sent.frames[-1].capture_time_ms)
    assert ids(rig.log) == [LogId(1000), LogId(2000)]


def test_another_chunk_of_the_same_id_is_no_retry(rig: Rig) -> None:
    fence = rig.grant("lobby")
    rig.log.append(chunk("lobby", 1000), fence)
    with pytest.raises(OutOfOrder) as refused:
        rig.log.append(chunk("lobby", 1000, payload=b"other"), fence)
    assert refused.value.last == LogId(1000)


def test_an_id_behind_the_last_is_refused(rig: Rig) -> None:
    fence = rig.grant("lobby")
    rig.log.append(chunk("lobby", 2000), fence)
    with pytest.raises(OutOfOrder) as refused:
        rig.log.append(chunk("lobby", 1999), fence)
    assert refused.value.last == LogId(2000)
    assert ids(rig.log) == [LogId(2000)]


@pytest.mark.parametrize("times", [[], [0], [-5]])
def test_a_chunk_without_a_time_is_refused(rig: Rig, times: list[int]) -> None:
    with pytest.raises(ValueError, match="frame"):
        rig.log.append(chunk("lobby", *times), rig.grant("lobby"))


def test_without_a_lease_nothing_is_written(rig: Rig) -> None:
    with pytest.raises(Fenced):
        rig.log.append(chunk("lobby", 1000), Fence("nobody", 1))
    assert rig.log.last_id("lobby") == BEGINNING


def test_a_former_owner_is_fenced_off(rig: Rig) -> None:
    old = rig.grant("lobby")
    sent = chunk("lobby", 1000)
    rig.log.append(sent, old)
    new = rig.grant("lobby")
    assert new.epoch > old.epoch
    for late in (sent, chunk("lobby", 2000)):  # not even a retry of what it once wrote
        with pytest.raises(Fenced):
            rig.log.append(late, old)
    for wrong in (Fence(new.instance, old.epoch), Fence(old.instance, new.epoch)):
        with pytest.raises(Fenced):
            rig.log.append(chunk("lobby", 2000), wrong)
    rig.log.append(chunk("lobby", 3000), new)
    assert ids(rig.log) == [LogId(1000), LogId(3000)]


def test_a_lease_of_one_camera_opens_no_other(rig: Rig) -> None:
    rig.grant("dock")
    with pytest.raises(Fenced):
        rig.log.append(chunk("dock", 1000), rig.grant("lobby"))


def test_trimming_drops_what_is_below(rig: Rig) -> None:
    fence = rig.grant("lobby")
    for time_ms in (1000, 2000, 3000, 4000):
        rig.log.append(chunk("lobby", time_ms), fence)
    rig.log.append(chunk("lobby", 5000), fence, min_id=LogId(3000))
    assert ids(rig.log) == [LogId(3000), LogId(4000), LogId(5000)]
    assert rig.log.last_id("lobby") == LogId(5000)


def test_a_retry_trims_nothing(rig: Rig) -> None:
    fence = rig.grant("lobby")
    rig.log.append(chunk("lobby", 1000), fence)
    rig.log.append(chunk("lobby", 2000), fence)
    rig.log.append(chunk("lobby", 2000), fence, min_id=LogId(2000))
    assert ids(rig.log) == [LogId(1000), LogId(2000)]


def test_a_log_that_was_trimmed_empty_knows_where_it_ended(rig: Rig) -> None:
    fence = rig.grant("lobby")
    sent = chunk("lobby", 1000)
    rig.log.append(sent, fence, min_id=LogId(9000))
    assert ids(rig.log) == []
    assert rig.log.last_id("lobby") == LogId(1000)
    assert rig.log.append(sent, fence, min_id=LogId(9000)) == LogId(1000)
    with pytest.raises(OutOfOrder):
        rig.log.append(chunk("lobby", 999), fence)


def test_several_cameras_are_read_each_from_its_own_place(rig: Rig) -> None:
    for camera_id in ("lobby", "dock", "roof"):
        fence = rig.grant(camera_id)
        for time_ms in (1000, 2000, 3000, 4000):
            rig.log.append(chunk(camera_id, time_ms), fence)
    found = rig.log.read(
        {"lobby": BEGINNING, "dock": LogId(2000), "roof": LogId(4000), "none": BEGINNING},
        count=3,
        block_s=0,
    )
    by_camera = {
        camera_id: [entry.id.ms for entry in found if entry.camera_id == camera_id]
        for camera_id in ("lobby", "dock", "roof", "none")
    }
    assert by_camera == {
        "lobby": [1000, 2000, 3000],
        "dock": [3000, 4000],
        "roof": [],
        "none": [],
    }


def test_ids_are_ordered_as_numbers(rig: Rig) -> None:
    fence = rig.grant("lobby")
    for time_ms in (9, 10, 99, 100, 1_700_000_000_000):
        rig.log.append(chunk("lobby", time_ms), fence)
    rig.put_raw("lobby", LogId(1_700_000_000_000, 9), b"")
    rig.put_raw("lobby", LogId(1_700_000_000_000, 10), b"")
    found = ids(rig.log)
    assert found == sorted(found)
    assert ids(rig.log, after=LogId(99)) == found[3:]
    assert ids(rig.log, after=LogId(1_700_000_000_000, 9)) == found[-1:]


def test_what_is_no_chunk_is_told_and_passed(rig: Rig) -> None:
    fence = rig.grant("lobby")
    jpegless = FrameChunk(camera_id="lobby")
    jpegless.frames.add(capture_time_ms=3000)
    raw = [
        b"\xff\xff\xff garbage",
        b"",
        jpegless.SerializeToString(),
        chunk("dock", 4000).SerializeToString(),  # of another camera
        FrameChunk(camera_id="lobby").SerializeToString(),
    ]
    for number, payload in enumerate(raw):
        rig.put_raw("lobby", LogId(1000 + number), payload)
    rig.log.append(chunk("lobby", 9000), fence)
    found = rig.log.read({"lobby": BEGINNING}, count=100, block_s=0)
    assert [entry.chunk is None for entry in found] == [True] * len(raw) + [False]


def test_a_read_waits_for_the_next_append(rig: Rig) -> None:
    fences = {camera_id: rig.grant(camera_id) for camera_id in ("lobby", "dock")}
    rig.log.append(chunk("lobby", 1000), fences["lobby"])
    started = threading.Event()
    took: list[float] = []
    found: list[LogId] = []

    def read() -> None:
        started.set()
        began = time.monotonic()
        entries = rig.log.read({"lobby": LogId(1000), "dock": BEGINNING}, count=10, block_s=5)
        took.append(time.monotonic() - began)
        found.extend(entry.id for entry in entries)

    reader = threading.Thread(target=read)
    reader.start()
    started.wait()
    time.sleep(0.2)
    rig.log.append(chunk("dock", 5000), fences["dock"])
    reader.join(timeout=5)
    assert found == [LogId(5000)]
    assert 0.1 < took[0] < 3


def test_a_read_of_nothing_new_returns_after_its_time(rig: Rig) -> None:
    for after in ({"lobby": BEGINNING}, {}):
        began = time.monotonic()
        assert rig.log.read(after, count=10, block_s=0.1) == []
        assert 0.05 < time.monotonic() - began < 2


cameras = st.sampled_from(["a", "b"])
moments = st.integers(1, 8)
actions = st.one_of(
    st.tuples(st.just("grant"), cameras),
    st.tuples(
        st.just("append"),
        cameras,
        moments,
        st.sampled_from([b"x", b"y"]),
        st.none() | moments,
        st.integers(1, 2),
    ),
    st.tuples(st.just("read"), st.dictionaries(cameras, moments), st.integers(1, 3)),
)


class Interpreter:
    """Runs random operations on one log and says what came of them, in comparable terms."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.fences: dict[str, list[Fence]] = {"a": [], "b": []}

    def run(self, action: tuple[object, ...]) -> object:
        match action:
            case ("grant", str(camera_id)):
                self.fences[camera_id].append(self.rig.grant(camera_id))
                return None
            case ("append", str(camera_id), int(at), bytes(payload), min_ms, int(which)):
                owners = self.fences[camera_id]
                fence = owners[-which] if len(owners) >= which else Fence("nobody", 1)
                min_id = LogId(min_ms) if isinstance(min_ms, int) else None
                try:
                    return self.rig.log.append(chunk(camera_id, at, payload=payload), fence, min_id)
                except Fenced:
                    return "fenced"
                except OutOfOrder as error:
                    return error.last
            case ("read", dict(after), int(count)):
                if not after:
                    return []
                offsets = {camera_id: LogId(at) for camera_id, at in after.items()}
                found = self.rig.log.read(offsets, count=count, block_s=0)
                return sorted((e.camera_id, e.id, str(e.chunk)) for e in found)
        raise AssertionError(action)

    def everything(self) -> object:
        log = self.rig.log
        return [(ids(log, camera_id), log.last_id(camera_id)) for camera_id in ("a", "b")]


@pytest.fixture
def fresh_rig(client: redis.Redis) -> Callable[[], Rig]:
    def make() -> Rig:
        client.delete(*keys.all_of("a"), *keys.all_of("b"))
        return on_redis(client)

    return make


@settings(
    max_examples=at_most(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.lists(actions, max_size=25))
def test_both_logs_agree_on_everything(
    fresh_rig: Callable[[], Rig], script: list[tuple[object, ...]]
) -> None:
    one, other = Interpreter(in_memory()), Interpreter(fresh_rig())
    for action in [("grant", "a"), *script]:
        assert one.run(action) == other.run(action), action
    assert one.everything() == other.everything()


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_wire_protocols_read_alike(each_redis_url: str, protocol: int) -> None:
    client = connection.connect(f"{each_redis_url}?protocol={protocol}")
    client.flushdb()
    rig = on_redis(client)
    for camera_id in ("lobby", "dock"):
        fence = rig.grant(camera_id)
        for time_ms in (1000, 2000):
            rig.log.append(chunk(camera_id, time_ms), fence)
    found = rig.log.read({"lobby": BEGINNING, "dock": LogId(1000)}, count=10, block_s=0)
    assert [(entry.camera_id, entry.id.ms) for entry in found] == [
        ("lobby", 1000),
        ("lobby", 2000),
        ("dock", 2000),
    ]
    assert rig.log.last_id("dock") == LogId(2000)
    client.close()


def test_size_follows_what_lies_there(client: redis.Redis) -> None:
    rig = on_redis(client)
    fence = rig.grant("lobby")
    for second in range(1, 41):
        rig.log.append(chunk("lobby", second * 1000, payload=bytes(50_000)), fence)
    assert 2_000_000 <= rig.log.size("lobby") < 3_000_000
    rig.log.append(chunk("lobby", 41_000), fence, min_id=LogId(31_000))
    assert 500_000 <= rig.log.size("lobby") < 800_000


def test_a_full_redis_says_so_and_gets_room_by_trimming(client: redis.Redis) -> None:
    rig = on_redis(client)
    fence = rig.grant("lobby")
    for second in range(1, 41):
        rig.log.append(chunk("lobby", second * 1000, payload=bytes(100_000)), fence)
    client.config_set("maxmemory", "3mb")
    try:
        with pytest.raises(redis.ResponseError, match="memory"):
            rig.log.append(chunk("lobby", 41_000), fence)
        with pytest.raises(redis.ResponseError, match="memory"):
            rig.log.append(chunk("lobby", 41_000), fence, min_id=LogId(39_000))
        rig.log.append(chunk("lobby", 41_000), fence, min_id=LogId(39_000))
        assert ids(rig.log) == [LogId(39_000), LogId(40_000), LogId(41_000)]
    finally:
        client.config_set("maxmemory", "0")
