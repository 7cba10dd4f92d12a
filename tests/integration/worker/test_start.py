"""While a worker starts, /readyz says what it is doing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
import redis

from hermes.engine import Engine
from hermes.vlm import VideoModel
from hermes.vlm.load_progress import LoadStep
from services.cli.redis_server import free_port
from services.hermes_worker.device import load_model, warm_up
from services.hermes_worker.settings import WorkerSettings
from tests.support.workers import working


def why(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply:
            return str(json.load(reply)["why"])
    except urllib.error.HTTPError as error:
        with error:
            return str(json.load(error)["why"])


async def test_readiness_names_each_phase(
    redis_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, seen = free_port(), list[str]()

    def loaded(settings: WorkerSettings, say: Callable[[str], None]) -> VideoModel:
        def noted(text: str) -> None:
            say(text)
            seen.append(why(port))

        seen.append(why(port))
        noted(str(LoadStep("downloading", 3_100_000_000, 15_200_000_000)))
        return load_model(settings, noted)

    def warmed_up(engine: Engine) -> None:
        seen.append(why(port))
        warm_up(engine)

    monkeypatch.setattr("services.hermes_worker.worker.load_model", loaded)
    monkeypatch.setattr("services.hermes_worker.worker.warm_up", warmed_up)
    async with working(redis_url, None, metrics_port=port):
        seen.append(why(port))
    first, second, third, *_, last, end = seen
    assert (first, second) == ("loading the model", "downloading 3.1 of 15.2 GB")
    assert third.startswith("loading shard 1 of 1, 0.0 of ")
    assert (last, end) == ("warming up", "serving")
