"""The blocking client, against a real gateway."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis

from hermes import errors
from hermes.client import HermesClient
from services.query_gateway.gateway import Gateway
from tests.support.fake_worker import MODEL, End, FakeWorker, Hang, Say


async def test_blocking_calls(gateway: Gateway, worker: FakeWorker, lobby: str) -> None:
    worker.scripts = [[Say("a ", 0.05), Say("car", 0.05), End()]]

    def use() -> None:
        with HermesClient(f"127.0.0.1:{gateway.port}", metadata=[("x-token", "t")]) as client:
            arrivals, texts = [], []
            stream = client.ask("lobby", "what?", max_tokens=9)
            for text in stream:
                texts.append(text)
                arrivals.append(time.monotonic())
            answer = stream.result()
            assert texts == ["a ", "car"]
            assert arrivals[1] - arrivals[0] > 0.025
            assert (answer.text, answer.model, answer.finish_reason) == ("a car", MODEL, "stop")
            assert stream.result() == answer
            assert client.ask("lobby", "what?").result().text == "a car"

            added = client.add_camera("dock", "rtsp://dock/live")
            assert client.get_camera("dock") == added
            assert [camera.id for camera in client.list_cameras()] == ["dock", "lobby"]
            with pytest.raises(errors.CameraExists) as exists:
                client.add_camera("dock", "rtsp://dock/live")
            assert exists.value.camera_id == "dock"
            client.remove_camera("dock")
            with pytest.raises(errors.CameraNotFound):
                client.get_camera("dock")
            with pytest.raises(errors.InvalidInput) as invalid:
                client.ask("lobby", " ").result()
            assert invalid.value.field == "question.text"

    await asyncio.to_thread(use)
    assert worker.calls[0].request.question.max_tokens == 9


async def test_leaving_an_answer_cancels_it(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Say("begun"), Hang()]]

    def use() -> None:
        with HermesClient(f"127.0.0.1:{gateway.port}") as client:
            with client.ask("lobby", "what?") as stream:
                assert next(stream) == "begun"
            assert list(stream) == []
            with pytest.raises(errors.HermesError, match="not finished"):
                stream.result()

    await asyncio.to_thread(use)
    await asyncio.wait_for(worker.calls[0].ended.wait(), 1)
    assert worker.calls[0].cancelled_at is not None


async def test_a_time_out_is_an_error_of_ours(
    gateway: Gateway, worker: FakeWorker, lobby: str
) -> None:
    worker.scripts = [[Hang()]]

    def use() -> None:
        with (
            HermesClient(f"127.0.0.1:{gateway.port}") as client,
            pytest.raises(errors.DeadlineExceeded),
        ):
            client.ask("lobby", "what?", timeout=0.2).result()

    await asyncio.to_thread(use)


def test_an_unreachable_gateway_is_an_error() -> None:
    with HermesClient("127.0.0.1:9") as client:
        for call in (client.list_cameras, client.ask("lobby", "what?").result):
            with pytest.raises(errors.Unavailable, match=r"gateway at 127\.0\.0\.1:9"):
                call()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"freshness": "stale"}, "question.freshness"),
        ({"max_tokens": -1}, "question.max_tokens"),
    ],
)
def test_an_unsendable_request_names_its_field(changes: dict[str, object], field: str) -> None:
    with HermesClient("127.0.0.1:9") as client, pytest.raises(errors.InvalidInput) as caught:
        client.ask("lobby", "what?", **changes)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_an_unknown_pacing_is_refused(redis_client: redis.Redis) -> None:
    with HermesClient("127.0.0.1:9") as client, pytest.raises(errors.InvalidInput) as caught:
        client.add_camera("lobby", "rtsp://c/x", pacing="slow")  # type: ignore[arg-type]
    assert caught.value.field == "camera.pacing"
