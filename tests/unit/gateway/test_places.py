from __future__ import annotations

import pytest

from hermes.v1.camera_pb2 import (
    MEMORY_STATE_PENDING,
    MEMORY_STATE_SERVING,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_STATE_CONNECTING,
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    SOURCE_STATE_PENDING,
    MemoryStatus,
    SourceState,
    SourceStatus,
)
from services.common.placement import Member
from services.query_gateway.places import Places, waits_for

NOW_MS = 1_000_000


def member(name: str, load: int, *, capacity: int = 64, draining: bool = False) -> Member:
    return Member(name, "", "cpu", capacity, load, NOW_MS, draining)


@pytest.mark.parametrize(
    ("decoders", "words"),
    [
        ([], "waiting for a decoder: none is running"),
        ([member("a", 3, draining=True)], "waiting for a decoder: none is running"),
        ([member("a", 64), member("b", 63)], "waiting for a decoder: one takes it up"),
        ([member("a", 64)], "waiting for a decoder: 64 of 64 places taken; --capacity"),
        ([member("a", 64), member("b", 70)], "128 of 128 places taken; --capacity"),
    ],
)
def test_what_a_camera_without_a_decoder_waits_for(decoders: list[Member], words: str) -> None:
    assert words in waits_for("decoder", decoders)
    source, memory = SourceStatus(state=SOURCE_STATE_PENDING), MemoryStatus()
    Places(decoders, []).explain(source, memory)
    assert words in source.error_message
    assert not memory.message


def test_what_a_camera_without_a_worker_waits_for() -> None:
    source, memory = SourceStatus(), MemoryStatus(state=MEMORY_STATE_PENDING)
    Places([], [member("w", 4, capacity=4)]).explain(source, memory)
    assert memory.message.startswith("waiting for a worker: 4 of 4 places taken; --max-cameras")
    served = MemoryStatus(state=MEMORY_STATE_SERVING)
    Places([], []).explain(source, served)
    assert not served.message


@pytest.mark.parametrize(
    "state", [SOURCE_STATE_CONNECTING, SOURCE_STATE_ONLINE, SOURCE_STATE_OFFLINE]
)
def test_what_a_decoder_that_is_gone_said_is_not_so_any_more(state: SourceState) -> None:
    said = SourceStatus(
        state=state, error=SOURCE_ERROR_TIMEOUT, error_message="silence", decoder="a", reconnects=3
    )
    kept = SourceStatus()
    kept.CopyFrom(said)
    Places([member("a", 1)], []).explain(kept, MemoryStatus())
    assert kept == said
    Places([member("b", 64)], []).explain(said, MemoryStatus())
    assert (said.state, said.error, said.reconnects) == (SOURCE_STATE_PENDING, 0, 3)
    assert said.error_message == "waiting for a decoder: 64 of 64 places taken; --capacity"


@pytest.mark.parametrize("state", [SOURCE_STATE_ENDED, SOURCE_STATE_FAILED])
def test_what_is_over_stays_so_without_a_decoder(state: SourceState) -> None:
    said = SourceStatus(state=state, error=SOURCE_ERROR_ENDED, error_message="whole", decoder="a")
    kept = SourceStatus()
    kept.CopyFrom(said)
    Places([], []).explain(kept, MemoryStatus())
    assert kept == said


def test_without_the_right_to_read_who_is_there_nothing_is_said() -> None:
    places = Places.of(PermissionError("no right"), {b"w": member("w", 0).to_json()}, NOW_MS)
    source, memory = SourceStatus(state=SOURCE_STATE_PENDING), MemoryStatus()
    places.explain(source, memory)
    assert not source.error_message
    assert places.decoders is None
    assert places.workers == [member("w", 0)]
