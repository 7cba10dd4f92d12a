"""A camera's process may say or do anything: the other cameras do not notice."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_TIMEOUT,
    SOURCE_STATE_CONNECTING,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    Camera,
    SourceStatus,
)
from services.common.heartbeats import Heartbeats
from services.common.leases import Fence, Lease
from services.common.metrics import Metrics
from services.decoder.camera_child import CameraChild
from services.decoder.camera_process import CameraJob
from services.decoder.report import Channel, Report
from services.decoder.settings import DecoderSettings
from services.decoder.supervisor import Supervisor
from tests.support.waiting import eventually

ONLINE = Report(state=SOURCE_STATE_ONLINE, published=1)


class FakeProcess:
    """A process that the test plays."""

    pid = 1

    def __init__(self) -> None:
        self._alive, self._watched = socket.socketpair()
        self.exitcode: int | None = None
        self.sentinel = self._watched.fileno()

    def end(self, exitcode: int) -> None:
        if self.exitcode is None:
            self.exitcode = exitcode
            self._alive.close()

    def kill(self) -> None:
        self.end(-9)

    def close(self) -> None:
        self._watched.close()


class FakeLauncher:
    """Starts processes that the test plays. Keeps the newest one of each camera."""

    def __init__(self) -> None:
        self.processes: dict[str, FakeProcess] = {}
        self.ends: dict[str, socket.socket] = {}
        self.started: dict[str, int] = {}
        self.fails: set[str] = set()

    def start(self) -> None:
        pass

    def launch(self, job: CameraJob, now_s: float) -> CameraChild:
        camera_id = Camera.FromString(job.camera).id
        self.started[camera_id] = self.started.get(camera_id, 0) + 1
        if camera_id in self.fails:
            raise TypeError("an odd camera")
        ours, theirs = Channel.pair()
        if (before := self.ends.get(camera_id)) is not None:
            before.close()
        theirs.setblocking(False)
        self.ends[camera_id] = theirs
        self.processes[camera_id] = FakeProcess()
        return CameraChild(self.processes[camera_id], Channel(ours), now_s)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.close()
        for end in self.ends.values():
            end.close()


class Rig:
    def __init__(self, watchdog_s: float) -> None:
        self.heartbeats = Heartbeats()
        self.launcher = FakeLauncher()
        self.metrics = Metrics(CollectorRegistry())
        settings = DecoderSettings(watchdog_s=watchdog_s, backoff_base_s=0.05, backoff_cap_s=0.1)
        self.supervisor = Supervisor(
            settings, self.metrics, heartbeats=self.heartbeats, launcher=self.launcher
        )
        self.supervisor.start()
        self.gain("odd")
        self.gain("steady")
        eventually(lambda: len(self.launcher.ends) == 2, name="two processes")

    def gain(self, camera_id: str, epoch: int = 1) -> None:
        self.supervisor.gained(
            Camera(id=camera_id), Lease(camera_id, "decoder", Fence("me", epoch))
        )

    def say(self, camera_id: str, message: bytes | Report) -> None:
        data = message.to_bytes() if isinstance(message, Report) else message
        self.launcher.ends[camera_id].send(data)

    def status(self, camera_id: str) -> SourceStatus:
        found = {lease.camera_id: status for lease, status in self.supervisor.statuses()}
        return found[camera_id]

    def wait_for(self, camera_id: str, state: int) -> SourceStatus:
        eventually(lambda: self.status(camera_id).state == state, name=f"{camera_id}: {state}")
        return self.status(camera_id)

    def wait_for_frame(self, camera_id: str, ms: int) -> None:
        eventually(
            lambda: self.status(camera_id).last_frame.ToMilliseconds() == ms, name="the report"
        )

    def the_other_is_well(self) -> None:
        """The steady camera's process is the first one, and its reports still arrive."""
        for last_frame_ms in (1, 2):
            self.say("steady", replace(ONLINE, last_frame_ms=last_frame_ms))
            self.wait_for_frame("steady", last_frame_ms)
        assert self.launcher.started["steady"] == 1
        assert self.supervisor.healthy
        assert self.heartbeats.late() == []


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(getattr(request, "param", 60.0))
    yield made
    for process in made.launcher.processes.values():
        process.end(0)
    made.supervisor.stop()
    made.launcher.close()


def odd(**fields: Any) -> bytes:
    return json.dumps(json.loads(ONLINE.to_bytes()) | fields).encode()


ODD_REPORTS = [
    b"\x00\xff",
    b"[" * 8000,
    b"{" * 8000,
    b"9" * 8000,
    b"x" * 60_000,
    b"null",
    odd(state=99),
    odd(state=True),
    odd(error=-1),
    odd(fps=float("nan")),
    odd(fps=float("inf")),
    odd(fps=-1.0),
    odd(published=10**4000),
    odd(published=-1),
    odd(dropped=2**64),
    odd(reconnects=2**63),
    odd(sampled=2**64 - 1),
    odd(last_frame_ms=10**18),
    odd(message="\ud800"),
    odd(message="x" * 5000),
    odd(fenced=1),
]


@pytest.mark.parametrize("message", ODD_REPORTS, ids=lambda m: m[:12] + m[-12:])
def test_an_odd_report_is_skipped(rig: Rig, message: bytes) -> None:
    rig.say("odd", message)
    rig.say("odd", ONLINE)
    rig.wait_for("odd", SOURCE_STATE_ONLINE)
    assert rig.launcher.started["odd"] == 1
    rig.the_other_is_well()


@pytest.mark.parametrize("rig", [1.0], indirect=True, ids=["watchdog"])
def test_odd_reports_are_no_sign_of_life(rig: Rig) -> None:
    first = rig.launcher.processes["odd"]

    def killed() -> bool:
        rig.say("steady", ONLINE)
        with suppress(OSError):  # it may be killed just now
            rig.say("odd", b"garbage")
        return first.exitcode == -9

    eventually(killed, name="the process is killed")
    eventually(lambda: rig.launcher.started["odd"] > 1, name="another process")
    assert rig.status("odd").error == SOURCE_ERROR_TIMEOUT
    rig.the_other_is_well()


@pytest.mark.parametrize("message", [ONLINE.to_bytes(), b"garbage"])
def test_a_process_that_floods_its_channel_is_killed(rig: Rig, message: bytes) -> None:
    first = rig.launcher.processes["odd"]
    while first.exitcode is None:
        try:
            rig.say("odd", message)
        except BlockingIOError:
            continue
        except OSError:  # the other end was closed
            break
    assert first.exitcode == -9
    eventually(lambda: rig.launcher.started["odd"] > 1, name="another process")
    status = rig.status("odd")
    assert "too many reports" in status.error_message
    assert status.reconnects == 1
    rig.the_other_is_well()


@pytest.mark.parametrize("rig", [1.0], indirect=True, ids=["watchdog"])
def test_a_process_that_hangs_up_and_goes_on_is_killed(rig: Rig) -> None:
    first = rig.launcher.processes["odd"]
    rig.launcher.ends["odd"].close()

    def killed() -> bool:
        rig.say("steady", ONLINE)
        return first.exitcode == -9

    eventually(killed, name="the process is killed")
    eventually(lambda: rig.launcher.started["odd"] > 1, name="another process")
    rig.the_other_is_well()


def test_a_camera_whose_process_cannot_be_started_is_tried_again(rig: Rig) -> None:
    rig.launcher.fails.add("odd")
    rig.launcher.processes["odd"].end(1)
    eventually(lambda: rig.launcher.started["odd"] > 3, name="more attempts")
    assert "internal error (TypeError)" in rig.wait_for("odd", SOURCE_STATE_OFFLINE).error_message
    rig.the_other_is_well()
    rig.launcher.fails.clear()
    rig.wait_for("odd", SOURCE_STATE_OFFLINE)
    eventually(lambda: rig.launcher.processes["odd"].exitcode is None, name="a process")
    rig.say("odd", ONLINE)
    rig.wait_for("odd", SOURCE_STATE_ONLINE)


def test_a_process_that_crashes_is_restarted_and_keeps_its_counts(rig: Rig) -> None:
    rig.say("odd", replace(ONLINE, dropped=3, reconnects=2))
    eventually(lambda: rig.status("odd").dropped_frames == 3, name="the report")
    rig.launcher.processes["odd"].end(-11)
    eventually(lambda: rig.launcher.started["odd"] == 2, name="another process")
    status = rig.status("odd")
    assert (status.dropped_frames, status.reconnects) == (3, 3)
    assert "signal 11" in status.error_message
    rig.the_other_is_well()


def test_a_new_epoch_gets_a_new_process_and_keeps_the_counts(rig: Rig) -> None:
    rig.say("odd", replace(ONLINE, dropped=3))
    eventually(lambda: rig.status("odd").dropped_frames == 3, name="the report")
    first = rig.launcher.processes["odd"]
    rig.gain("odd", epoch=2)
    eventually(lambda: rig.launcher.started["odd"] == 2, name="another process")
    assert first.exitcode == -9
    status = rig.status("odd")
    assert (status.state, status.dropped_frames) == (SOURCE_STATE_CONNECTING, 3)
    rig.the_other_is_well()


def test_the_heartbeat_ends_with_the_supervisor(rig: Rig) -> None:
    assert [beat.name for beat in rig.heartbeats.all()] == ["supervisor"]
    for process in rig.launcher.processes.values():
        process.end(0)
    rig.supervisor.stop()
    assert rig.heartbeats.all() == []
    assert not rig.supervisor.healthy


@pytest.fixture
def fake_child() -> Iterator[tuple[CameraChild, socket.socket]]:
    """A process that started at 0 s, and its end of the channel."""
    launcher = FakeLauncher()
    job = CameraJob(Camera(id="lobby").SerializeToString(), Fence("me", 1), DecoderSettings())
    child = launcher.launch(job, 0.0)
    yield child, launcher.ends["lobby"]
    child.close()
    launcher.close()


def test_all_that_came_while_the_supervisor_was_stopped_is_no_flood(
    fake_child: tuple[CameraChild, socket.socket],
) -> None:
    child, end = fake_child
    sent = 0
    with suppress(BlockingIOError):  # the channel is full, and the process goes on
        while True:
            end.send(ONLINE.to_bytes())
            sent += 1
    assert len(list(child.reports(60.0))) == sent > 50
    assert not child.killed


def test_silence_while_the_supervisor_was_stopped_proves_nothing(
    fake_child: tuple[CameraChild, socket.socket],
) -> None:
    child, _ = fake_child
    child.excuse(60.0)
    assert not child.watch(60.5, watchdog_s=10.0)
    assert child.watch(70.5, watchdog_s=10.0)
