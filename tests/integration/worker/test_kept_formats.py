"""What earlier versions wrote into Redis and into the store is read by this one."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import redis

from hermes.engine.snapshot import limit_of
from hermes.errors import SnapshotVersion
from hermes.memory import ChangeConfig, MemoryConfig
from hermes.v1.camera_pb2 import MEMORY_STATE_SERVING, SOURCE_STATE_ENDED, Camera
from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED
from hermes.vlm import VideoMemory, VideoModel, load
from services.common import camera_status, keys
from services.common.event_record import Indexed, event_of, message_of
from services.common.frame_log import BEGINNING, RedisFrameLog
from services.common.leases import Leases
from services.common.placement import parse_members
from services.common.registry import CameraRegistry
from services.common.watch_registry import WatchRegistry
from services.common.watch_room import parse_rooms
from services.hermes_worker.checkpoints import Checkpoints
from services.hermes_worker.snapshot_store import SnapshotStore
from services.hermes_worker.watches import written
from services.hermes_worker.watches.trigger import Phase
from tests.support.kept_formats import BUDGET, CAMERA, MORE, Kept, all_kept

ALL = all_kept()
WATCHED = "508bed9f"
"""The version that had watches."""
OTHER_FORMAT = "1db056f9"
"""The version whose snapshots are of another format."""
AFTER_MS = 10_000
"""Heartbeats and rooms are as young as that when they are read."""


@pytest.fixture(params=ALL, ids=lambda kept: kept.commit)
def kept(request: pytest.FixtureRequest, redis_client: redis.Redis) -> Kept:
    found: Kept = request.param
    found.fill(redis_client)
    return found


def camera_of(client: redis.Redis) -> Camera:
    return CameraRegistry(client).cameras([])[CAMERA]


def test_cameras_leases_members_and_frames_are_read(kept: Kept, redis_client: redis.Redis) -> None:
    camera = camera_of(redis_client)
    assert camera.url == f"{CAMERA}.mp4"
    epochs = {}
    for role, instance in (("worker", "worker-1"), ("decoder", "decoder-1")):
        leases = Leases(redis_client, role, "new", "")  # type: ignore[arg-type]
        owner = leases.owners([CAMERA])[CAMERA]
        assert owner is not None
        assert (owner.instance, owner.successor) == (instance, "")
        raw = redis_client.hgetall(keys.members(role))  # type: ignore[arg-type]
        (member,) = parse_members(raw, owner.expires_ms, AFTER_MS)  # type: ignore[arg-type]
        assert (member.instance, member.address) == (instance, owner.address)
        epochs[role] = owner.epoch
        taken = leases.acquire(CAMERA, unattended=owner)
        assert taken is not None
        assert taken.epoch > owner.epoch
    entries = RedisFrameLog(redis_client).read({CAMERA: BEGINNING}, count=9, block_s=0.0)
    assert [len(entry.chunk.frames) for entry in entries if entry.chunk is not None] == [1, 1]
    assert {entry.chunk.epoch for entry in entries if entry.chunk} == {epochs["decoder"]}


def test_the_status_is_read(kept: Kept, redis_client: redis.Redis) -> None:
    fields = redis_client.hgetall(keys.status(CAMERA))
    source, memory = camera_status.parse(fields)  # type: ignore[arg-type]
    assert (source.state, source.decoder) == (SOURCE_STATE_ENDED, "decoder-1")
    assert (memory.state, memory.coverage.frames_seen) == (MEMORY_STATE_SERVING, 14)
    assert memory.tokens == int(BUDGET["budget_tokens"])


def test_a_memory_goes_on_or_says_that_its_format_is_another(
    kept: Kept, redis_client: redis.Redis
) -> None:
    store = Checkpoints(redis_client, SnapshotStore(str(kept.store)), keep=3)
    camera = camera_of(redis_client)
    newest, *older = store.of(camera)
    assert len(older) == 2
    if kept.commit == OTHER_FORMAT:
        with pytest.raises(SnapshotVersion, match="has format 3; this build reads 4"):
            store.load(camera, newest, newest.bytes)
        return
    memory = demo_memory()
    snapshot = store.load(camera, newest, limit_of(memory))
    memory.restore(snapshot.state)
    assert snapshot.cursor.startswith(newest.id)
    assert memory.coverage().frames_seen == 14
    for question, answer in kept.answers.items():
        assert "".join(memory.ask(question, max_tokens=8)) == answer


@cache
def demo() -> VideoModel:
    return load("demo")


def demo_memory() -> VideoMemory:
    """As a worker with the settings of `kept_formats` makes it."""
    model = demo()
    every = int(BUDGET["compress_every_frames"])
    longest = int(BUDGET["max_answer_tokens"]) + int(MORE["max_question_tokens"])
    config = MemoryConfig(
        int(BUDGET["budget_tokens"]),
        every * model.most_frame_tokens,
        model.position_limit,
        longest,
    )
    return VideoMemory(model, config=config, compress_every_frames=every, changes=ChangeConfig())


def test_watches_and_events_are_read(redis_client: redis.Redis) -> None:
    Kept(WATCHED).fill(redis_client)
    registry = WatchRegistry(redis_client)
    assert registry.refresh()
    watch = registry.watches["nightfall"]
    assert list(watch.choices.texts) == ["day", "night"]
    state = written.read(redis_client.hget(keys.watch_state(CAMERA), watch.id))  # type: ignore[arg-type]
    assert state is not None
    assert (state.state.phase, state.version) == (Phase.QUIET, watch.version)
    owner = Leases(redis_client, "worker", "new", "").owners([CAMERA])[CAMERA]
    assert owner is not None
    rooms = parse_rooms(redis_client.hgetall(keys.WATCH_ROOMS), owner.expires_ms - AFTER_MS)  # type: ignore[arg-type]
    assert rooms["worker-1"].capacity > 0
    entries: Any = redis_client.xrange(keys.EVENTS)
    last = message_of(entries[-1][1])
    assert last is not None
    assert (last.type, last.watch_id, last.model) == (EVENT_TYPE_CLOSED, watch.id, "demo")
    members: Any = redis_client.zrange(keys.EVENTS_INDEX, 0, -1)
    (member,) = members
    indexed = Indexed.parse(member)
    assert indexed == Indexed(last.id, watch.id, CAMERA, last.severity)
    record: Any = redis_client.hgetall(keys.event(last.id))
    event = event_of({name.decode(): value for name, value in record.items()})
    assert event is not None
    assert (event.closed, event.sentence, event.sequence) == (last.closed, last.sentence, 3)
