from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_TIMEOUT,
    SOURCE_STATE_CONNECTING,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
)
from services.decoder.camera_process import TALK_S
from services.decoder.faults import SourceFault
from services.decoder.report import Channel, Report
from services.decoder.telemetry import Telemetry


@given(
    st.builds(
        Report,
        state=st.integers(0, 6),
        error=st.integers(0, 7),
        message=st.text(max_size=300),
        fps=st.floats(0, 1000),
        sampled=st.integers(0, 2**53),
        fenced=st.booleans(),
    )
)
def test_a_report_crosses_the_channel_as_it_is(report: Report) -> None:
    ours, theirs = (Channel(end) for end in Channel.pair())
    assert ours.send(report.to_bytes())
    message = theirs.receive()
    assert isinstance(message, bytes)
    assert Report.from_bytes(message) == report
    assert theirs.receive() == "nothing"
    ours.close()
    assert theirs.receive() == "closed"
    assert not theirs.send(b"x")
    theirs.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"state": 3}',
        json.dumps(json.loads(Report().to_bytes()) | {"state": 99}).encode(),
        json.dumps(json.loads(Report().to_bytes()) | {"message": 5}).encode(),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any is fine
        Report.from_bytes(data)


def test_a_full_channel_loses_reports_and_blocks_no_one() -> None:
    ours, theirs = (Channel(end) for end in Channel.pair())
    sent = 0
    while ours.send(b"x" * 500):
        sent += 1
    assert 0 < sent < 100_000
    ours.close()
    theirs.close()


def test_telemetry_tells_states_and_counts() -> None:
    now = [0.0]
    telemetry = Telemetry(sampled=7, clock=lambda: now[0])
    assert telemetry.report() == Report(state=SOURCE_STATE_CONNECTING, sampled=7)
    telemetry.online()
    assert telemetry.report().state == SOURCE_STATE_ONLINE
    telemetry.offline(SourceFault(SOURCE_ERROR_TIMEOUT, "silence"))
    report = telemetry.report()
    assert (report.state, report.error, report.message, report.reconnects) == (
        SOURCE_STATE_OFFLINE,
        SOURCE_ERROR_TIMEOUT,
        "silence",
        1,
    )
    telemetry.online()
    assert (telemetry.report().error, telemetry.report().message) == (0, "")
    telemetry.offline(SourceFault(SOURCE_ERROR_TIMEOUT, "never", permanent=True))
    assert telemetry.report().state == SOURCE_STATE_FAILED
    assert telemetry.report().reconnects == 1


def test_it_is_alive_as_long_as_the_last_beat_allowed() -> None:
    now = [0.0]
    telemetry = Telemetry(clock=lambda: now[0])
    telemetry.beat()
    now[0] = 4 * TALK_S - 0.01
    assert telemetry.alive, "a packet now and then is enough for every report to go out"
    now[0] = 1.1
    assert not telemetry.alive
    telemetry.beat(2.0)
    now[0] = 4.0
    assert telemetry.alive
    now[0] = 4.2
    assert not telemetry.alive
    telemetry.beat(math.inf)
    now[0] = 1e9
    assert telemetry.alive
