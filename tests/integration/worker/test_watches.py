"""Watches on a real worker: asked by itself, events in the log, handed on to a successor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from google.protobuf import json_format

from hermes.v1 import event_pb2, worker_pb2
from hermes.v1.event_pb2 import Event
from hermes.v1.watch_pb2 import Watch
from services.common import keys
from services.common.event_record import message_of
from services.hermes_worker.worker import Worker
from tests.support.nightfall import Film
from tests.support.workers import Feeder, calling, serving, until, working

DEMO = {
    "model": "demo",
    "budget_tokens": 96,
    "compress_every_frames": 4,
    "max_answer_tokens": 32,
    "max_question_tokens": 64,
}
NIGHT: dict[str, Any] = {
    "id": "night",
    "text": "Is it day or night?",
    "cameras": {"camera_ids": ["lobby"]},
    "choices": {"texts": ["day", "night"]},
    "trigger": {"equals": {"choices": ["night"], "probability": 0.8}},
    "severity": "SEVERITY_WARNING",
    "labels": {"site": "dock"},
    "version": 1,
}


def registered(client: redis.Redis, **fields: Any) -> Watch:
    watch = Watch()
    json_format.ParseDict(NIGHT | fields, watch)
    client.hset(keys.WATCHES, watch.id, watch.SerializeToString())
    client.incr(keys.WATCHES_VERSION)
    return watch


@pytest.fixture(scope="module")
def film() -> Film:
    return Film()


def messages(client: redis.Redis) -> list[Event]:
    entries: Any = client.xrange(keys.EVENTS)
    return [event for _, fields in entries if (event := message_of(fields)) is not None]


def types(client: redis.Redis) -> list[str]:
    kinds = (event_pb2.EventType.Name(event.type) for event in messages(client))
    return [kind.removeprefix("EVENT_TYPE_") for kind in kinds]


class Day:
    """Feeds a camera with a film, a frame a second of capture time."""

    def __init__(self, client: redis.Redis, film: Film) -> None:
        self.feeder = Feeder(client, "lobby")
        self._film = film
        self._client = client
        self.now_ms = 1_700_000_000_000

    async def show(self, what: str, frames: int, worker: Worker) -> None:
        for _ in range(frames):
            picture = getattr(self._film, what)(self.feeder.index)
            self.now_ms += 1000
            self.feeder.push(first_ms=self.now_ms, pictures=[picture])
            if worker is not None:
                await until(lambda: evaluated(worker) >= self.feeder.index, 30)


def evaluated(worker: Worker) -> float:
    value = worker.metrics.registry.get_sample_value
    name = "hermes_watch_evaluations_total"
    return sum(
        value(name, {"watch": "night", "outcome": outcome}) or 0.0
        for outcome in ("read", "skipped", "failed")
    )


async def test_an_event_opens_with_the_dusk_and_closes_with_the_dawn(
    redis_url: str, redis_client: redis.Redis, film: Film
) -> None:
    registered(redis_client, heartbeat="0.5s")
    async with working(redis_url, None, **DEMO) as worker:
        day = Day(redis_client, film)
        await day.show("day", 4, worker)
        assert types(redis_client) == []
        dusk_ms = day.now_ms + 1000
        await day.show("night", 3, worker)
        await until(lambda: types(redis_client)[:2] == ["OPENED", "UPDATED"])
        await day.show("day", 2, worker)
        await until(lambda: types(redis_client) == ["OPENED", "UPDATED", "CLOSED"])
        opened, updated, closed = messages(redis_client)
        assert len({event.id for event in (opened, updated, closed)}) == 1
        assert opened.opened.ToMilliseconds() == dusk_ms
        assert opened.evidence[0].captured.ToMilliseconds() == dusk_ms
        assert opened.evidence[0].picture.startswith(b"\xff\xd8")
        assert (opened.answer, opened.labels["site"], opened.question) == (
            "night",
            "dock",
            "Is it day or night?",
        )
        assert opened.value > 0.8
        assert updated.sentence
        assert closed.end == event_pb2.EVENT_END_CLEARED
        assert closed.closed.ToMilliseconds() == dusk_ms + 3000
        value = worker.metrics.registry.get_sample_value
        labels = {"watch": "night", "camera": "lobby", "choice": "day"}
        assert (value("hermes_watch_choice", labels) or 0) > 0.8


async def test_a_successor_goes_on(
    redis_url: str, redis_client: redis.Redis, film: Film, tmp_path: Path
) -> None:
    registered(redis_client, heartbeat="0.5s")
    day = Day(redis_client, film)
    async with working(redis_url, tmp_path, instance="one", **DEMO) as worker:
        await day.show("day", 2, worker)
        await day.show("night", 2, worker)
        await until(lambda: "OPENED" in types(redis_client))
    async with working(redis_url, tmp_path, instance="two", **DEMO) as worker:
        await until(serving(redis_client))
        before = day.feeder.index
        for number in range(3):
            day.now_ms += 1000
            day.feeder.push(first_ms=day.now_ms, pictures=[film.night(number)])
            await until(lambda at=number: evaluated(worker) > at, 30)  # type: ignore[misc]
        assert types(redis_client).count("OPENED") == 1
        day.now_ms += 1000
        day.feeder.push(first_ms=day.now_ms, pictures=[film.day(1)])
        await until(lambda: "CLOSED" in types(redis_client))
        assert day.feeder.index == before + 4
    assert len({event.id for event in messages(redis_client)}) == 1


async def test_a_watch_that_changes_ends_its_event(
    redis_url: str, redis_client: redis.Redis, film: Film
) -> None:
    registered(redis_client, heartbeat="0.5s")
    async with working(redis_url, None, **DEMO) as worker:
        day = Day(redis_client, film)
        await day.show("night", 2, worker)
        await until(lambda: "OPENED" in types(redis_client))
        registered(redis_client, version=2, paused=True)
        await until(lambda: "CLOSED" in types(redis_client))
        assert messages(redis_client)[-1].end == event_pb2.EVENT_END_WATCH


async def test_a_diary_takes_no_more_tokens_than_the_engine_allows(
    redis_url: str, redis_client: redis.Redis, film: Film
) -> None:
    diary = Watch(id="notes", text="What is happening now?", version=1)
    diary.cameras.camera_ids.append("lobby")
    diary.diary.interval.FromSeconds(10)
    redis_client.hset(keys.WATCHES, diary.id, diary.SerializeToString())
    redis_client.incr(keys.WATCHES_VERSION)
    async with working(redis_url, None, **DEMO) as worker, calling(worker) as stub:
        Feeder(redis_client, "lobby").push(pictures=[film.night(0)])
        await until(lambda: types(redis_client) == ["NOTE"])
        request = worker_pb2.WorkerServiceEvaluateRequest(watch=diary, camera_id="lobby")
        assert (await stub.Evaluate(request, timeout=20)).evaluation.answer


async def test_a_watch_is_tried(redis_url: str, redis_client: redis.Redis, film: Film) -> None:
    watch = Watch()
    json_format.ParseDict(NIGHT, watch)
    async with working(redis_url, None, **DEMO) as worker, calling(worker) as stub:
        feeder = Feeder(redis_client, "lobby")
        feeder.push(pictures=[film.night(0)])
        await until(serving(redis_client))
        request = worker_pb2.WorkerServiceEvaluateRequest(watch=watch, camera_id="lobby")
        found = (await stub.Evaluate(request, timeout=20)).evaluation
        assert (found.answer, found.holds) == ("night", True)
        assert found.value > 0.8
        assert types(redis_client) == []
