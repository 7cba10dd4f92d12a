"""A damaged or forged snapshot is refused, or does no harm."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.engine import snapshot
from hermes.errors import HermesError, SnapshotCorrupt, SnapshotMismatch
from hermes.memory import (
    FrameStamp,
    MemoryState,
    SlidingWindow,
    StreamMemory,
)
from tests.support.examples import at_most
from tests.support.snapshots import CONFIG, LAYOUT, SHAPE, SMALL, sealed, small


@pytest.mark.parametrize("empty", [False, True])
def test_a_small_memory_is_restored_whole(empty: bool) -> None:
    restored = small()
    if empty:  # not even a prefix
        restored = StreamMemory(SHAPE, restored.rotary, CONFIG, SlidingWindow())
    restored.restore(snapshot.decode(SMALL, limit_bytes=10_000))
    assert restored.state().header == small().state().header
    for name, tensor in small().state().tensors.items():
        assert torch.equal(tensor, restored.state().tensors[name]), name


def test_a_snapshot_truncated_at_any_length_is_refused() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(SnapshotCorrupt):
            snapshot.decode(SMALL[:length], limit_bytes=10_000)


@settings(max_examples=at_most(80), deadline=None)
@given(at=st.integers(0, len(SMALL) - 1), bits=st.integers(1, 255))
def test_a_snapshot_with_any_byte_changed_is_refused(at: int, bits: int) -> None:
    changed = bytearray(SMALL)
    changed[at] ^= bits
    with pytest.raises(SnapshotCorrupt):
        snapshot.decode(bytes(changed), limit_bytes=10_000)


@settings(max_examples=at_most(80), deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SnapshotCorrupt):
        snapshot.decode(data, limit_bytes=10_000)


@settings(max_examples=at_most(80), deadline=None)
@given(at=st.integers(0, len(SMALL) - 1), bits=st.integers(1, 255))
def test_a_forged_byte_is_refused_or_harmless(at: int, bits: int) -> None:
    changed = bytearray(SMALL)
    changed[at] ^= bits
    made = small()
    try:
        made.restore(snapshot.decode(sealed(bytes(changed)), limit_bytes=10_000))
    except (SnapshotCorrupt, SnapshotMismatch):
        made = small()
    go_on(made)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=at_most(50), deadline=None)
@given(data=st.data())
def test_a_forged_header_is_refused_or_harmless(data: st.DataObject) -> None:
    state = small().state()
    name = data.draw(st.sampled_from(sorted(state.header)))
    header = {**state.header, name: data.draw(JSON)}
    made = small()
    try:
        made.restore(MemoryState(header, state.tensors))
    except (SnapshotCorrupt, SnapshotMismatch):
        made = small()
    go_on(made)


@settings(max_examples=at_most(80), deadline=None)
@given(data=st.data())
def test_forged_tensors_are_refused_or_harmless(data: st.DataObject) -> None:
    state = small().state()
    name = data.draw(st.sampled_from(sorted(state.tensors)))
    old = state.tensors[name]
    size = data.draw(st.lists(st.integers(0, 12), max_size=4))
    kind = data.draw(st.sampled_from([old.dtype, torch.int64, torch.float16]))
    fill = data.draw(st.integers(-3, 100))
    new = (
        torch.full(size, fill).to(kind) if data.draw(st.booleans()) else torch.full_like(old, fill)
    )
    made = small()
    try:
        made.restore(MemoryState(state.header, {**state.tensors, name: new}))
    except (SnapshotCorrupt, SnapshotMismatch):
        made = small()
    go_on(made)


def go_on(made: StreamMemory) -> None:
    """A restored memory can be fed, compressed and asked, or raises a documented error."""
    try:
        for number in range(4):
            if made.room() < LAYOUT.tokens:
                made.compress()
            row = made.begin_frames([FrameStamp(number)], LAYOUT)
            for layer in range(SHAPE.layers):
                zeros = torch.zeros((1, row.tokens, 2))
                row.attend(layer, zeros, zeros, zeros, 1.0)
            made.commit(row)
        with made.branch(2) as branch:
            zeros = torch.zeros((1, 2, 2))
            branch.row(2).attend(0, zeros, zeros, zeros, 1.0)
        made.coverage()
    except HermesError:
        pass
