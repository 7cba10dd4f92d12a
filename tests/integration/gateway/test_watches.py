"""Watches over the API: created, shown, changed, deleted, tried and refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from structlog.testing import capture_logs

from hermes import errors
from hermes.client import (
    Above,
    AsyncHermesClient,
    Below,
    Choices,
    Diary,
    Equals,
    Number,
    Rate,
    Trigger,
    Watch,
)
from hermes.hours import read_hours
from hermes.v1.camera_pb2 import Camera
from services.common import keys
from services.common.event_log import RedisEventLog
from services.common.placement import Member
from services.common.watch_registry import WatchRegistry
from services.common.watch_room import WatchRooms
from tests.support.event_messages import opened
from tests.support.fake_worker import Abort, Crash, Fail, FakeWorker, Judged
from tests.support.gateway import own, register, running_gateway
from tests.support.tokens import write_tokens

FALL = Watch(
    "fall",
    "Is anybody lying on the floor?",
    camera_ids=("lobby",),
    trigger=Trigger(Above(0.8, clear=0.6), hold_s=5, cooldown_s=120, gap="close"),
    severity="critical",
    labels={"team": "care"},
    hours=read_hours("Mon-Sun 00:00-24:00 Europe/Berlin", "hours"),
    sinks=("phone",),
    every_s=0.5,
    heartbeat_s=60,
    display_name="Fall",
)


def label(client: redis.Redis, camera_id: str, **labels: str) -> None:
    register(client, camera_id)
    camera = Camera(id=camera_id, url="rtsp://camera/live", labels=labels)
    client.hset(keys.CAMERAS, camera_id, camera.SerializeToString())


def fleet(client: redis.Redis, *rooms: tuple[float, float] | None) -> None:
    """A worker for each, with the evaluations a second that it can make and makes."""
    now_ms = int(time.time() * 1000)
    for number, room in enumerate(rooms):
        member = Member(f"w{number}", "", "cpu", 8, 0, now_ms)
        client.hset(keys.members("worker"), member.instance, member.to_json())
        if room is not None:
            WatchRooms(client, member.instance).publish(*room)


async def test_a_watch_is_kept_as_it_was_given(client: AsyncHermesClient, lobby: str) -> None:
    state = await client.create_watch(FALL)
    assert (state.cameras, state.open_events, state.message) == (1, 0, "")
    kept = state.watch
    assert kept.created is not None
    assert kept.version == 1
    same = {name: getattr(FALL, name) for name in ("created", "version")}
    assert Watch(**{**_fields(kept), **same}) == FALL
    assert (await client.get_watch("fall")).watch == kept
    assert [one.watch for one in await client.list_watches()] == [kept]


def _fields(watch: Watch) -> dict[str, Any]:
    return {name: getattr(watch, name) for name in Watch.__dataclass_fields__}


@pytest.mark.parametrize(
    "watch",
    [
        Watch(
            "gate",
            "Is the gate open?",
            selector="area=yard",
            form=Choices(("open", "shut")),
            trigger=Trigger(Equals(("open",), 0.7, 0.5)),
        ),
        Watch(
            "queue",
            "How many people queue?",
            selector="shop",
            form=Number(0, 50),
            trigger=Trigger(Rate(3, 30)),
        ),
        Watch("day", "What happened?", selector="shop", form=Diary(600, 40)),
        Watch("dark", "Is it light?", selector="!x", trigger=Trigger(Below(0.2))),
    ],
    ids=lambda watch: watch.id,
)
async def test_every_form_is_kept(client: AsyncHermesClient, watch: Watch) -> None:
    kept = (await client.create_watch(watch)).watch
    assert Watch(**{**_fields(kept), "created": None, "version": 0}) == watch


async def test_workers_see_changes(
    client: AsyncHermesClient, redis_client: redis.Redis, lobby: str
) -> None:
    registry = WatchRegistry(redis_client)
    await client.create_watch(FALL)
    assert registry.refresh()
    assert registry.watches["fall"].version == 1
    await client.update_watch("fall", paused=True, trigger=Trigger(Above(0.9)))
    assert registry.refresh()
    assert registry.watches["fall"].trigger.above.value == 0.9
    await client.delete_watch("fall")
    assert registry.refresh()
    assert registry.watches == {}
    assert redis_client.hlen(keys.WATCHES) == 0
    again = await client.create_watch(FALL)
    assert again.watch.version == 3  # workers tell versions of one id apart by their numbers


async def test_an_update_changes_what_it_names(client: AsyncHermesClient, lobby: str) -> None:
    await client.create_watch(FALL)
    state = await client.update_watch(
        "fall", text="Has anybody fallen?", selector="area=ward", hours=None, labels={}
    )
    assert (state.watch.text, state.watch.selector) == ("Has anybody fallen?", "area=ward")
    assert (state.watch.hours, state.watch.labels, state.watch.camera_ids) == (None, {}, ())
    assert state.watch.trigger == FALL.trigger
    assert state.watch.version == 2
    assert state.message == "no camera is registered with such labels"
    again = await client.update_watch("fall", text="Has anybody fallen?")
    assert again.watch.version == 2
    changed = await client.update_watch(
        "fall", form=Choices(("yes", "no")), trigger=Trigger(Equals(("yes",)))
    )
    assert changed.watch.form == Choices(("yes", "no"))
    back = await client.update_watch("fall", form=FALL.form, trigger=FALL.trigger)
    assert (back.watch.form, back.watch.trigger) == (FALL.form, FALL.trigger)
    with pytest.raises(errors.InvalidInput, match=r"watch.trigger.above.value"):
        await client.update_watch("fall", trigger=Trigger(Above(7)))
    paused = await client.update_watch("fall", paused=True)
    assert paused.message == "paused"


async def test_what_cannot_be_is_refused_by_name(client: AsyncHermesClient, lobby: str) -> None:
    await client.create_watch(FALL)
    with pytest.raises(errors.WatchExists, match="'fall' exists"):
        await client.create_watch(FALL)
    for call in (client.get_watch, client.delete_watch, client.update_watch):
        with pytest.raises((errors.WatchNotFound, errors.InvalidInput)) as refused:
            await call("other", **({"paused": True} if call == client.update_watch else {}))
        assert "other" in str(refused.value)
    for wrong, field in (
        (Watch("a b", "x?", ("lobby",), trigger=FALL.trigger), "watch.id"),
        (Watch("x", " ", ("lobby",), trigger=FALL.trigger), "watch.text"),
        (Watch("x", "x?", (), trigger=FALL.trigger), "watch.cameras"),
        (Watch("x", "x?", ("lobby",)), "watch.trigger"),
    ):
        with pytest.raises(errors.InvalidInput) as invalid:
            await client.create_watch(wrong)
        assert invalid.value.field == field
    with pytest.raises(errors.InvalidInput, match=r"watch.version"):
        await client.update_watch("fall", version=7)


async def test_open_events_and_cameras_are_counted(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    for name in ("bed-1", "bed-2", "door"):
        label(redis_client, name, area="ward" if name != "door" else "hall")
    await client.create_watch(Watch("fall", "x?", selector="area=ward", trigger=FALL.trigger))
    RedisEventLog(redis_client).append(opened("e1", "bed-1", "fall"))
    state = await client.get_watch("fall")
    assert (state.cameras, state.open_events) == (2, 1)
    assert [one.watch.id for one in await client.list_watches("bed-1")] == ["fall"]
    assert await client.list_watches("door") == []


async def test_a_watch_that_the_fleet_cannot_carry_is_refused(
    client: AsyncHermesClient, redis_client: redis.Redis
) -> None:
    for number in range(4):
        label(redis_client, f"c{number}", site="dock")
    big = Watch("big", "x?", selector="site=dock", trigger=FALL.trigger)
    fleet(redis_client, (10.0, 7.0), None)
    await client.create_watch(big)  # one worker does not say what it can carry
    await client.delete_watch("big")
    fleet(redis_client, (5.0, 4.0), (5.0, 0.0))
    await client.create_watch(big)
    with pytest.raises(errors.Overloaded, match=r"10 times a second, and do 8 times.*add 4 \(4"):
        await client.create_watch(Watch("b2", "x?", selector="site=dock", trigger=FALL.trigger))
    rare = Watch("b3", "x?", selector="site=dock", trigger=FALL.trigger, every_s=10)
    await client.create_watch(rare)
    paused = Watch("b4", "x?", selector="site=dock", trigger=FALL.trigger, paused=True)
    await client.create_watch(paused)
    with pytest.raises(errors.Overloaded):
        await client.update_watch("b4", paused=False)


async def test_a_trial_asks_each_camera_and_opens_nothing(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker
) -> None:
    for name in ("bed-1", "bed-2", "bed-3", "bed-4"):
        label(redis_client, name, area="ward")
    for name in ("bed-1", "bed-2", "bed-4"):
        own(redis_client, name, worker.address)
    worker.judges = {
        "bed-1": Judged(0.93, holds=True),
        "bed-2": Fail(errors.Overloaded("full", 3)),
        "bed-4": Crash("secret"),
    }
    watch = Watch("", "x?", selector="area=ward", trigger=FALL.trigger)
    trials = {one.camera_id: one async for one in client.try_watch(watch, evidence=2)}
    assert sorted(trials) == ["bed-1", "bed-2", "bed-3", "bed-4"]
    found = trials["bed-1"].evaluation
    assert found is not None
    assert (found.value, found.holds, len(trials["bed-1"].evidence)) == (0.93, True, 2)
    assert (trials["bed-2"].reason, trials["bed-2"].retry_after_s) == ("OVERLOADED", 3)
    assert trials["bed-3"].reason == "CAMERA_NOT_READY"
    assert "secret" not in trials["bed-4"].message
    assert redis_client.hlen(keys.WATCHES) == 0
    request = worker.evaluations[0].request
    assert request.watch.id == "trial"
    nowhere = Watch("", "x?", selector="area=attic", trigger=FALL.trigger)
    with pytest.raises(errors.InvalidInput, match=r"watch.cameras"):
        _ = [one async for one in client.try_watch(nowhere)]


async def test_an_old_worker_is_said_to_be_old(
    client: AsyncHermesClient, redis_client: redis.Redis, worker: FakeWorker, lobby: str
) -> None:
    worker.judges = {"lobby": Abort(grpc.StatusCode.UNIMPLEMENTED)}
    (trial,) = [one async for one in client.try_watch(FALL)]
    assert "update it" in trial.message


async def test_rights(redis_url: str, redis_client: redis.Redis, tmp_path: Path) -> None:
    for name in ("dock-1", "dock-2", "vault"):
        label(redis_client, name, site="a")
    tokens = write_tokens(
        tmp_path / "tokens.yaml",
        dock="watch:dock-* read:dock-*",
        wall="read:dock-1",
        blind="watch:*",
        root="watch:* read:*",
    )
    watch = Watch("w", "x?", selector="site=a", trigger=FALL.trigger)
    async with running_gateway(redis_url, tokens_file=tmp_path / "tokens.yaml") as gateway:

        def of(name: str) -> AsyncHermesClient:
            return AsyncHermesClient(f"127.0.0.1:{gateway.port}", token=tokens[name])

        async with of("dock") as dock, of("wall") as wall, of("blind") as blind, of("root") as root:
            with capture_logs() as lines:
                state = await dock.create_watch(watch)
            assert (state.watch.within, state.cameras) == (("dock-*",), 2)
            audit = [line for line in lines if line["event"] == "audit"]
            assert [(a["who"], a["watch"], a["code"]) for a in audit] == [("token:dock", "w", "OK")]
            assert [one.cameras for one in await wall.list_watches()] == [1]
            for caller in (wall, blind):
                with pytest.raises(errors.PermissionDenied):
                    await caller.create_watch(Watch("v", "x?", ("dock-1",), trigger=FALL.trigger))
            with pytest.raises(errors.PermissionDenied):
                await dock.create_watch(Watch("v", "x?", ("vault",), trigger=FALL.trigger))
            with pytest.raises(errors.PermissionDenied):
                await wall.delete_watch("w")
            all_ = await root.create_watch(
                Watch("all", "x?", selector="site", trigger=FALL.trigger)
            )
            assert (all_.watch.within, all_.cameras) == ((), 3)
            with pytest.raises(errors.PermissionDenied):
                await dock.update_watch("all", paused=True)
            secret = Watch("secret", "Is the vault open?", ("vault",), trigger=FALL.trigger)
            await root.create_watch(secret)
            for call in (dock.get_watch, dock.delete_watch):
                with pytest.raises(errors.WatchNotFound):
                    await call("secret")
            assert [one.watch.id for one in await dock.list_watches()] == ["all", "w"]
            assert (await dock.get_watch("all")).cameras == 2
