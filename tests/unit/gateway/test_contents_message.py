"""What a memory holds survives the wire, and the largest fits into one message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.contents import HeldFrame, LayerContents, MemoryContents
from hermes.contents_message import contents_of, message_of
from hermes.errors import HermesError
from hermes.v1 import memory_pb2
from tests.support.slow import slow

GRPC_DEFAULT_MAX_BYTES = 4 << 20
NOW_MS = 1_767_268_800_000

counts = st.integers(0, 2**32 - 1)
totals = st.integers(0, 2**64 - 1)
moments = st.integers(-(10**12), 10**13)
held_frames = st.builds(HeldFrame, st.integers(0, 2**40), counts, counts)
layers = st.builds(
    LayerContents,
    counts,
    st.sampled_from(["sensory", "working", "long_term"]),
    st.lists(held_frames, unique_by=lambda frame: frame.number, max_size=8).map(
        lambda frames: tuple(sorted(frames, key=lambda frame: frame.number))
    ),
)
memories = st.builds(
    MemoryContents,
    policy=st.text(max_size=20),
    budget=totals,
    tokens=totals,
    bytes=totals,
    frame_tokens=counts,
    frames_seen=totals,
    times=st.dictionaries(st.integers(0, 2**40), moments, max_size=12).map(
        lambda times: dict(sorted(times.items()))
    ),
    gaps=st.lists(st.tuples(moments, moments), max_size=4).map(tuple),
    layers=st.lists(layers, max_size=5).map(tuple),
    model=st.text(max_size=20),
    epoch=totals,
)
of_files = st.builds(
    lambda contents, start, step: replace(
        contents, media={n: start + step * at for at, n in enumerate(contents.times)}
    ),
    memories,
    st.integers(0, 10**9),
    st.integers(0, 10**6),
)


of_any_size = st.builds(
    lambda contents, size: replace(
        contents, taken={n: size + at for at, n in enumerate(contents.times)}
    ),
    memories,
    counts.filter(lambda size: size < 2**31),
)


@settings(deadline=None)
@given(memories | of_files | of_any_size)
def test_contents_survive_the_wire(contents: MemoryContents) -> None:
    sent = message_of(contents).SerializeToString()
    assert contents_of(memory_pb2.MemoryContents.FromString(sent)) == contents


def test_reasons_of_gaps_survive_the_wire() -> None:
    contents = MemoryContents("hermes", 1, 1, 1, 1, 1, {}, ((1, 2), (3, 4)), ())
    contents = replace(contents, gap_reasons=("", "lost_packets"))
    assert contents_of(message_of(contents)) == contents


@pytest.mark.parametrize("summaries", slow([0, 1], 0))
def test_the_largest_memory_fits_into_a_message(summaries: int) -> None:
    """Every token is of another frame, no two layers share one, and the stream is a year long."""
    layer_count, budget, year = 28, 6_000, 365 * 24 * 3600
    held = layer_count * budget
    numbers = [index * year // held for index in range(held)]
    contents = MemoryContents(
        policy="hermes",
        budget=budget,
        tokens=budget,
        bytes=held * 2048,
        frame_tokens=196,
        frames_seen=year,
        times={number: NOW_MS + 1_000 * number for number in numbers},
        gaps=tuple((NOW_MS + gap, NOW_MS + gap + 1) for gap in range(64)),
        layers=tuple(
            LayerContents(
                layer,
                "long_term",
                tuple(HeldFrame(number, 1, summaries) for number in numbers[layer::layer_count]),
            )
            for layer in range(layer_count)
        ),
        model="llava-onevision-qwen2-7b-ov-hf",
        epoch=2**40,
    )
    message = message_of(contents)
    assert message.ByteSize() < GRPC_DEFAULT_MAX_BYTES / 2
    assert contents_of(message) == contents
    contents = replace(contents, media={number: 1_000 * number for number in numbers})
    message = message_of(contents)
    assert message.ByteSize() < GRPC_DEFAULT_MAX_BYTES
    assert contents_of(message) == contents


def test_lists_of_different_lengths_are_refused() -> None:
    layer = memory_pb2.LayerContents(frame_steps=[1, 2], tokens=[1])
    for message in (
        memory_pb2.MemoryContents(layers=[layer]),
        memory_pb2.MemoryContents(frame_steps=[1], time_steps=[]),
        memory_pb2.MemoryContents(frame_steps=[1, 1], time_steps=[1, 1], media_steps=[1]),
        memory_pb2.MemoryContents(frame_steps=[1, 1], time_steps=[1, 1], frame_taken=[1]),
    ):
        with pytest.raises(HermesError, match="cannot be read"):
            contents_of(message)


def test_an_unknown_band_is_read() -> None:
    message = memory_pb2.MemoryContents()
    message.layers.add().MergeFromString(b"\x10\x63")  # band = 99
    assert contents_of(message).layers[0].band == "99"
