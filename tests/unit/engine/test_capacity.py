"""How many memories fit on a device."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from hermes.engine.capacity import Room, cameras_that_fit, host_memory, room_of, slab_bytes
from hermes.memory import CacheShape, SlabPool

GIB = 1 << 30
CPU = torch.device("cpu")
QWEN2_7B = CacheShape(28, 4, 128, 1, torch.bfloat16, torch.device("cuda"))  # never allocated


def test_a_slab_has_the_computed_size() -> None:
    shape = CacheShape(5, 2, 16, 3, torch.bfloat16, CPU)
    pool = SlabPool(shape)
    slab = pool.take(77)
    rotated = pool.take_keys(slab.keys)
    tables = (slab.positions, slab.frames, slab.patches, slab.until)
    parts = (slab.keys, slab.values, *tables, rotated)
    assert sum(part.nbytes for part in parts) == slab_bytes(shape, 77)


def test_memories_that_fit_80_gb_beside_a_7b_model() -> None:
    """4,000 tokens and 16 frames of 196 on top: 392 MiB, and the token table."""
    cameras = cameras_that_fit(Room(60 * GIB, 4 * GIB), QWEN2_7B, 4000 + 16 * 196, readers=8)
    assert 100 < cameras < 130


def test_the_present_picture_counts() -> None:
    """Three times 196 features of 3,584 bf16 values each are 1% of a memory's slab."""
    tokens, beside = 4000 + 16 * 196, 3 * 196 * 3584 * 2
    room = Room(600 * GIB)
    without = cameras_that_fit(room, QWEN2_7B, tokens, 0)
    assert 0.985 * without < cameras_that_fit(room, QWEN2_7B, tokens, 0, beside) < 0.995 * without


def test_nothing_fits_a_full_device() -> None:
    assert cameras_that_fit(Room(GIB // 8), QWEN2_7B, 7136, readers=8) == 0
    assert cameras_that_fit(Room(2 * GIB, 2 * GIB), QWEN2_7B, 7136, readers=8) == 0


@given(
    free=st.integers(0, 1 << 40),
    work=st.integers(0, 1 << 34),
    tokens=st.integers(1, 20_000),
    readers=st.integers(0, 256),
    beside=st.integers(0, 1 << 28),
)
def test_the_computed_number_of_memories_fits(
    free: int, work: int, tokens: int, readers: int, beside: int
) -> None:
    """Every memory has a slab and more beside it; one that is read has a second slab and rotated
    keys.
    """
    cameras = cameras_that_fit(Room(free, work), QWEN2_7B, tokens, readers, beside)
    slab = slab_bytes(QWEN2_7B, tokens)
    reading = min(cameras, readers)
    scratch = tokens * QWEN2_7B.bytes_per_token // 2
    needed = cameras * (slab + beside) + reading * (slab + scratch)
    assert cameras == 0 or needed + work <= free or cameras == 1


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 999 kB\nMemAvailable:    4096 kB\n")
    assert host_memory(meminfo, tmp_path) == 4096 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert host_memory(meminfo, tmp_path) == 4096 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    assert host_memory(meminfo, tmp_path) == 4000
    (tmp_path / "memory.max").write_text("500\n")
    assert host_memory(meminfo, tmp_path) == 0


def test_this_machine_has_room() -> None:
    assert room_of(CPU).free > 1 << 20
