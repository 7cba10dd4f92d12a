"""The prober brings an answer in time, whatever the process does that opens the source."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
from redis.exceptions import NoPermissionError

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_TIMEOUT,
    Camera,
    CameraServiceProbeResponse,
    PictureStatus,
)
from hermes.v1.probe_pb2 import ProbeJob
from services.common import keys
from services.decoder import prober
from services.decoder.camera_child import Process
from services.decoder.probe_process import ProbeTask
from services.decoder.prober import NO_RIGHT_PAUSE_S, Prober
from services.decoder.settings import DecoderSettings

OPENED = CameraServiceProbeResponse(picture=PictureStatus(codec="h264"))
TAKEN = CameraServiceProbeResponse(picture=PictureStatus(codec="h264"), frame_bytes=9)


class FakeRedis:
    """One list of jobs and the answers to them."""

    def __init__(self) -> None:
        self.jobs: list[bytes] = []
        self.answers: dict[str, bytes] = {}
        self.denied = False

    def blpop(self, names: list[str], timeout: float) -> tuple[bytes, bytes] | None:
        if self.denied:
            raise NoPermissionError("no")
        return (keys.PROBES.encode(), self.jobs.pop(0)) if self.jobs else None

    def time(self) -> tuple[int, int]:
        return 1000, 0

    def pipeline(self, transaction: bool) -> FakeRedis:
        return self

    def __enter__(self) -> FakeRedis:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def rpush(self, name: str, value: bytes) -> None:
        self.answers[name] = value

    def expire(self, name: str, seconds: int) -> None:
        assert 0 < seconds < 60

    def execute(self) -> None:
        pass


class FakeProcess:
    """Says what it was given, and notes that it was killed."""

    killed = False
    pid, sentinel, exitcode = 1, 0, None
    end: socket.socket

    def kill(self) -> None:
        self.killed = True
        self.end.close()

    def close(self) -> None:
        pass


class FakeLauncher:
    """`says`: what a process sends. `stays`: it keeps its end open."""

    def __init__(self, *says: bytes, stays: bool = False) -> None:
        self.says = says
        self.stays = stays
        self.process = FakeProcess()

    def launch_probe(self, task: ProbeTask, end: socket.socket) -> Process:
        assert task.seconds > 0
        self.process.end = end.dup()
        for said in self.says:
            self.process.end.send(said)
        if not self.stays:
            self.process.end.close()
        return self.process


def do_now(work: Callable[[], None]) -> None:
    work()


def answered(launcher: Any, do: Callable[[Callable[[], None]], None] = do_now) -> Any:
    client = FakeRedis()
    job = ProbeJob(id="x", camera=Camera(id="a", url="rtsp://h/1"), deadline_ms=1_001_100)
    client.jobs.append(job.SerializeToString())
    Prober(cast(redis.Redis, client), DecoderSettings(), launcher, do).step()
    return CameraServiceProbeResponse.FromString(client.answers[keys.probe_answer("x")])


def test_the_last_word_counts() -> None:
    launcher = FakeLauncher(OPENED.SerializeToString(), TAKEN.SerializeToString(), stays=True)
    assert answered(launcher) == TAKEN
    assert launcher.process.killed


def test_a_process_that_hangs_is_ended_in_time() -> None:
    launcher = FakeLauncher(OPENED.SerializeToString(), stays=True)
    began_s = time.monotonic()
    answer = answered(launcher)
    assert time.monotonic() - began_s < 1.1
    assert (answer.error, answer.picture.codec) == (SOURCE_ERROR_TIMEOUT, "h264")
    assert launcher.process.killed


@pytest.mark.parametrize(
    "says",
    [
        (),
        (b"\xff\xff",),
        (CameraServiceProbeResponse(frames_per_second=float("nan")).SerializeToString(),),
    ],
)
def test_a_process_that_dies_or_says_nonsense_is_named(says: tuple[bytes, ...]) -> None:
    answer = answered(FakeLauncher(*says))
    assert (answer.error, answer.error_message) == (SOURCE_ERROR_CODEC, "its reader crashed")


def test_an_answer_that_repeats_a_password_is_masked() -> None:
    said = CameraServiceProbeResponse(
        error=SOURCE_ERROR_CODEC, error_message="rtsp://user:hunter2@h/1 is no video"
    )
    assert "hunter2" not in answered(FakeLauncher(said.SerializeToString())).error_message


def test_a_process_that_cannot_be_started_is_named() -> None:
    class Broken:
        def launch_probe(self, task: ProbeTask, end: socket.socket) -> Process:
            raise OSError

    for do in (do_now, lambda _: None):  # the thread that starts processes may stand still
        answer = answered(Broken(), do)
        assert answer.error == SOURCE_ERROR_TIMEOUT
        assert "could not be started" in answer.error_message


def test_without_the_right_it_rests() -> None:
    client = FakeRedis()
    client.denied = True
    made = Prober(cast(redis.Redis, client), DecoderSettings(), FakeLauncher(), do_now)
    assert made.step() == NO_RIGHT_PAUSE_S
    client.denied = False
    assert made.step() is None
    assert prober.LEAST_S > prober.ANSWER_S
