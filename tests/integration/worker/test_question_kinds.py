"""Every kind of question to a real worker with a tiny model: what it answers, what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from hermes.errors import InvalidInput
from services.hermes_worker.worker import Worker
from tests.support.workers import (
    Feeder,
    answer,
    asked,
    calling,
    memory_state,
    refused,
    until,
    working,
)


@pytest.fixture
async def worker(redis_url: str, redis_client: redis.Redis) -> AsyncIterator[Worker]:
    """A worker whose camera has seen eight frames."""
    async with working(redis_url, None, ingest="full") as worker:
        Feeder(redis_client, "lobby").push(8)
        await until(lambda: memory_state(redis_client, "lobby") == "serving")
        yield worker


@pytest.fixture
async def stub(worker: Worker) -> AsyncIterator[Any]:
    async with calling(worker) as stub:
        yield stub


async def test_decoding(stub: Any) -> None:
    async def text_of(**decoding: Any) -> tuple[str, Any]:
        texts, complete = await answer(stub, asked("lobby", max_tokens=8, decoding=decoding))
        return "".join(texts), complete

    drawn, complete = await text_of(temperature=2.0, seed=7, logprobs=True)
    assert await text_of(temperature=2.0, seed=7) != (drawn, complete)  # without log-probabilities
    assert (await text_of(temperature=2.0, seed=7))[0] == drawn
    others = {(await text_of(temperature=2.0, seed=seed))[0] for seed in range(8, 12)}
    assert others - {drawn}
    assert len(complete.logprobs) == complete.answer_tokens
    assert "".join(token.text for token in complete.logprobs) == drawn
    assert all(token.logprob <= 0 for token in complete.logprobs)
    stop = drawn.split()[1]
    stopped, complete = await text_of(temperature=2.0, seed=7, stop=[stop])
    assert stopped == drawn.partition(stop)[0]
    reply = await refused(stub, asked("lobby", decoding={"top_p": 3.0}))
    assert isinstance(reply, InvalidInput)
    assert reply.field == "question.decoding.top_p"
