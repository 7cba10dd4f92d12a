"""Owners that are killed, or stand still: another one remembers what they did."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import grpc
import pytest

from hermes.errors import CameraNotOwned, CameraNotReady
from hermes.statuses import error_of
from hermes.v1.query_pb2 import Question
from hermes.v1.worker_pb2 import WorkerServiceAskRequest
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from services.common import camera_status, keys
from tests.chaos.conftest import FRAMES, HANGS_S
from tests.support.fleet import OWNERLESS_S, Asker, Book, Fleet, Pictures, running
from tests.support.patience import Patience
from tests.support.pipeline import online
from tests.support.shapes import ServerShape, Shape
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(HANGS_S)]

ALONE = "0.001"
"""So short that every frame has a pass of its own: in a pass that is shared, sums are rounded
otherwise, and one memory cannot be compared with another bit by bit.
"""
KILLS = int(os.environ.get("HERMES_CHAOS_KILLS", "20"))
"""With one server; a quarter of them with a cluster, and with Sentinels."""
LIVE = ["lobby", "dock", "street"]


def test_the_owner_is_killed_again_and_again(folder: Path, shape: Shape) -> None:
    """Under load, twenty times: a film loses nothing and is remembered as if nobody had died."""
    kills = KILLS if isinstance(shape, ServerShape) else max(1, KILLS // 4)
    with running(folder, redis_url=shape.url, HERMES_SLICE_MS=ALONE) as fleet:
        fleet.start("worker-1", "worker-2", "decoder-1", "decoder-2", "gateway-1")
        for name in LIVE:
            fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
        with Pictures(fleet.redis, "undisturbed") as pictures:
            fleet.film("undisturbed")
            fleet.whole("undisturbed", FRAMES)
        said, held = fleet.said("undisturbed"), fleet.held("undisturbed")
        shown = fleet.shown("undisturbed")
        assert {(round(place * 1000), jpeg) for place, jpeg in shown} <= set(pictures.frames)
        book, took = Book(), []
        with Asker(fleet.address, LIVE, book, deadline_s=40.0, forgetful=True):
            for number in range(kills):
                film = f"film-{number}"
                with Pictures(fleet.redis, film) as again:
                    fleet.film(film)
                    fleet.until(film, lambda camera: camera.memory.coverage.frames_seen > 50)
                    former = fleet.owner(film)
                    assert former is not None
                    others = [name for name in LIVE if fleet.owner(name) is not None]
                    fleet.kill(former.instance)
                    died = Patience(OWNERLESS_S + 1)
                    took.append(fleet.owned_anew(film, former))
                    for name in others:
                        eventually(lambda name=name: fleet.owner(name), OWNERLESS_S, name)  # type: ignore[misc]
                    assert not died.over
                    fleet.start(f"worker-{number + 3}")
                    fleet.whole(film, FRAMES)
                assert again.frames == pictures.frames
                assert fleet.held(film) == held, f"its chunks: {again.chunks}"
                assert fleet.said(film) == said
                # Those from before the checkpoint come from the store, in their own time.
                eventually(lambda film=film: fleet.shown(film) == shown, 20, f"pictures of {film}")  # type: ignore[misc]
                fleet.client.remove_camera(film)
        print(f"\n{kills} kills: owned anew after {min(took):.1f} to {max(took):.1f} s; {book}")
        assert book.wrong == []


def ask_worker(address: str, camera_id: str, epoch: int = 0) -> list[str]:
    """Ask a worker itself, as a gateway would that knows no better."""
    request = WorkerServiceAskRequest(
        question=Question(camera_id=camera_id, text="What now?", max_tokens=4), epoch=epoch
    )
    with grpc.insecure_channel(address) as channel:
        stub = WorkerServiceStub(channel)  # type: ignore[no-untyped-call]
        return [event.WhichOneof("event") for event in stub.Ask(request, timeout=60)]


def epochs(fleet: Fleet, camera_id: str) -> tuple[int, int, int]:
    """Those of the lease, of the status and of the checkpoint."""
    lease = fleet.redis.hget(keys.lease(camera_id, "worker"), "epoch")
    _, memory = camera_status.parse(fleet.redis.hgetall(keys.status(camera_id)))  # type: ignore[arg-type]
    checkpoint = fleet.redis.hget(keys.checkpoint(camera_id), "epoch")
    found = [int(raw or 0) for raw in (lease, checkpoint)]
    return found[0], memory.epoch, found[1]


def stand_still(fleet: Fleet) -> None:
    """Stop an owner past its lease, let it go on, and see that nothing of it is accepted."""
    former = fleet.owner(LIVE[0])
    assert former is not None
    theirs = [n for n in LIVE if (fleet.owner(n) or former).instance == former.instance]
    assert ask_worker(former.address, LIVE[0])[-1] == "complete"
    fleet.send(former.instance, signal.SIGSTOP)
    fleet.owned_anew(LIVE[0], former)
    eventually(lambda: all(epochs(fleet, n)[0] > former.epoch for n in theirs), 15, "owners")
    eventually(lambda: all(epochs(fleet, n)[1] > former.epoch for n in theirs), 20, "status")
    before = {name: epochs(fleet, name) for name in theirs}
    fleet.send(former.instance, signal.SIGCONT)
    began = time.monotonic()
    while time.monotonic() - began < 4.0:
        for name in theirs:
            now = epochs(fleet, name)
            assert all(new >= old for new, old in zip(now, before[name], strict=True))
            before[name] = now
            owner = fleet.owner(name)
            if owner is not None and owner.instance != former.instance:
                with pytest.raises(grpc.RpcError) as refused:
                    ask_worker(former.address, name)
                assert isinstance(error_of(refused.value, "it"), (CameraNotOwned, CameraNotReady))
    for name in theirs:
        # Whoever wrote the checkpoint that counts had the lease when it did.
        raw = fleet.redis.hget(keys.checkpoint(name), "snapshots")
        newest = json.loads(json.loads(raw)[0])  # type: ignore[arg-type]
        assert newest["epoch"] == epochs(fleet, name)[2]


def test_an_owner_that_stood_still_past_its_lease_is_heard_no_more(
    folder: Path, shape: Shape
) -> None:
    with running(folder, redis_url=shape.url, HERMES_CHECKPOINT_EVERY_S="0.3") as fleet:
        fleet.start("worker-1", "worker-2", "decoder-1", "gateway-1")
        for name in LIVE:
            fleet.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
        for name in LIVE:
            fleet.until(name, online(3))
        eventually(lambda: all(epochs(fleet, name)[2] for name in LIVE), 20, "checkpoints")
        book = Book()
        with Asker(fleet.address, LIVE, book, deadline_s=40.0, forgetful=True):
            for _ in range(3):
                stand_still(fleet)
        print(f"\n{book}")
        assert book.wrong == []


def test_a_decoder_is_killed_and_one_stands_still(folder: Path, shape: Shape) -> None:
    """Frames of one camera never come from two decoders at a time, and a film loses none."""
    with running(folder, redis_url=shape.url, HERMES_SLICE_MS=ALONE) as fleet:
        fleet.start("worker-1", "decoder-1", "decoder-2", "gateway-1")
        fleet.film("undisturbed")
        fleet.whole("undisturbed", FRAMES)
        for number, how in enumerate((signal.SIGKILL, signal.SIGSTOP)):
            film = f"film-{number}"
            fleet.film(film)
            fleet.until(film, lambda camera: camera.memory.coverage.frames_seen > 50)
            former = fleet.owner(film, "decoder")
            assert former is not None
            if how is signal.SIGKILL:
                fleet.kill(former.instance)
            else:
                fleet.send(former.instance, how)

            def taken(film: str = film, name: str = former.instance) -> bool:
                owner = fleet.owner(film, "decoder")
                return owner is not None and owner.instance != name

            eventually(taken, OWNERLESS_S, f"{film} is read again")
            if how is signal.SIGSTOP:
                fleet.send(former.instance, signal.SIGCONT)
            else:
                fleet.start("decoder-3")
            fleet.whole(film, FRAMES)
            assert fleet.said(film)[1] == FRAMES
            assert fleet.held(film) == fleet.held("undisturbed")
