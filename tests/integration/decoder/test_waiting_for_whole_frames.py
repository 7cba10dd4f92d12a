"""A live stream without whole frames is waited for, says so, and is opened anew in the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.v1.camera_pb2 import (
    PACING_AS_FAST_AS_READ,
    SOURCE_ERROR_CODEC,
    SOURCE_STATE_ONLINE,
    Camera,
)
from services.common.backoff import Backoff
from services.common.camera_credentials import CameraCredentials
from services.decoder.chunker import CaptureClock, Chunker, Origin
from services.decoder.faults import SourceFault
from services.decoder.frame_wait import KEY_FRAME_S, NO_FRAME_S
from services.decoder.outbox import Outbox
from services.decoder.reader import Position, Reader
from services.decoder.report import Report
from services.decoder.settings import DecoderSettings
from services.decoder.suspensions import Suspensions
from services.decoder.telemetry import Telemetry
from tests.support import hurt
from tests.support.hurt import FRAMES, GROUP, RATE
from tests.support.web_server import Page, WebServer


class Watched(Telemetry):
    """Keeps every report that a change made, and stops the reader at the first fault."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self.stop = stop
        self.messages: list[str] = []
        self.faults: list[SourceFault] = []

    def waits(self, why: str) -> None:
        super().waits(why)
        self.messages.append(why)

    def offline(self, fault: SourceFault) -> None:
        super().offline(fault)
        self.faults.append(fault)
        self.stop.set()


class Rig:
    """A reader of a stream that is served over HTTP, on a clock that the packets move."""

    def __init__(
        self, path: Path, second_of_packet: float, position: Position | None = None
    ) -> None:
        self.outbox = Outbox(
            Chunker(Origin("camera", 1, True), 1, 1.0),
            live=True,
            staleness_s=600.0,
            on_dropped=lambda count: None,
        )
        stop = threading.Event()
        self.telemetry = Watched(stop)
        now = (second_of_packet * number for number in range(10**9))
        with WebServer({"/live.ts": Page(path.read_bytes())}) as server:
            Reader(
                Camera(
                    id="camera",
                    url=f"http://127.0.0.1:{server.port}/live.ts",
                    pacing=PACING_AS_FAST_AS_READ,
                    sampling={"frames_per_second": RATE},
                ),
                CameraCredentials(None, None),
                DecoderSettings(),
                self.outbox,
                CaptureClock(),
                self.telemetry,
                Backoff(0.01, 0.01),
                position or Position(),
                stop,
                Suspensions(),
                clock=lambda: next(now),
            ).run()
        self.report: Report = self.telemetry.report()

    def discontinuities(self) -> Iterator[bool]:
        """Of each frame that was published: whether some are missing before it."""
        while (pending := self.outbox.take(0.0)) is not None:
            yield pending.chunk.discontinuity


def test_no_key_frame_ever_is_a_stated_fault(tmp_path: Path) -> None:
    film = hurt.film(tmp_path / "film.ts", "h264")
    keyless = hurt.changed(
        film, tmp_path / "keyless.ts", lambda _, p: None if p.is_keyframe else bytes(p)
    )
    rig = Rig(keyless, second_of_packet=1.5)
    (fault,) = rig.telemetry.faults
    assert fault.error == SOURCE_ERROR_CODEC
    assert not fault.permanent
    assert "no key frame came" in fault.message
    assert rig.telemetry.messages
    assert "waits for a key frame" in rig.telemetry.messages[0]
    assert rig.report.sampled == 0


def test_a_key_frame_within_the_time_is_waited_for(tmp_path: Path) -> None:
    film = hurt.film(tmp_path / "film.ts", "h264")
    joined = hurt.changed(film, tmp_path / "joined.ts", hurt.joined)
    # The first key frame comes after fifteen packets: longer than a stream without video may take.
    rig = Rig(joined, second_of_packet=2.0)
    assert NO_FRAME_S < 15 * 2.0 < KEY_FRAME_S
    assert rig.telemetry.messages
    assert rig.telemetry.faults[0].message.startswith("the source closed")
    assert rig.report.damaged == GROUP // 2
    assert rig.report.sampled == FRAMES - GROUP


def test_frames_that_were_missing_before_a_break_are_counted_once(tmp_path: Path) -> None:
    film = hurt.film(tmp_path / "film.ts", "h264")
    joined = hurt.changed(film, tmp_path / "joined.ts", hurt.joined)
    rig = Rig(joined, second_of_packet=0.01, position=Position(ms=1000))
    assert rig.report.damaged == GROUP // 2 - RATE - 1
    assert rig.report.sampled == FRAMES - GROUP


@pytest.mark.parametrize("name", ["h264", "h264-refresh"])
def test_a_gap_is_counted_and_marked(tmp_path: Path, name: str) -> None:
    film = hurt.film(tmp_path / "film.ts", name)
    rig = Rig(hurt.changed(film, tmp_path / "lost.ts", hurt.lost), second_of_packet=0.01)
    marks = list(rig.discontinuities())
    assert marks.count(True) == 1
    before = marks.index(True)
    assert before == GROUP + 10
    assert len(marks) + rig.report.damaged == FRAMES
    assert rig.report.damaged >= GROUP - 10
    assert rig.telemetry.messages == []


def test_the_status_is_online_again_after_a_wait(tmp_path: Path) -> None:
    telemetry = Telemetry()
    telemetry.online()
    telemetry.waits("waits for a key frame: a frame was lost")
    assert telemetry.report().state == SOURCE_STATE_ONLINE
    assert telemetry.report().message
    telemetry.online()
    assert telemetry.report().message == ""
