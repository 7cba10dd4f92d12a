"""How many memories fit on a device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermes.engine.capacity import (
    FEWEST_READ,
    MOST_READ,
    Room,
    cameras_that_fit,
    fit_of,
    host_memory,
    room_of,
    slab_bytes,
)
from hermes.memory import CacheShape, SlabPool, device_of
from tests.support.noted_device import NotedDevice

GIB = 1 << 30
CPU = torch.device("cpu")
QWEN2_7B = CacheShape(28, 4, 128, 1, torch.bfloat16, torch.device("cuda"))  # never allocated


def test_a_slab_has_the_computed_size() -> None:
    shape = CacheShape(5, 2, 16, 3, torch.bfloat16, CPU)
    pool = SlabPool(shape)
    slab = pool.take(77)
    rotated = pool.take_room(slab.keys, shape.dtype)
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
    assert room_of(device_of(CPU)).free > 1 << 20


def test_4_percent_of_a_gpu_stay_free() -> None:
    """However much of it the weights take; of the host a tenth of what is free."""
    device = NotedDevice(measures=True, free=30 * GIB, total=80 * GIB)
    device.enter()
    room = room_of(device, 5 * GIB)
    assert room.usable == 30 * GIB - int(3.2 * GIB) - 5 * GIB
    assert Room(30 * GIB, 5 * GIB).usable == 22 * GIB


@pytest.mark.parametrize(("gib", "readers"), [(20, 16), (58, 25), (73, 31), (110, 32)])
def test_room_is_kept_for_16_to_32_memories_that_are_read(gib: int, readers: int) -> None:
    """64 open questions could read 64 memories, for which 37 GiB would be kept."""
    tokens = 4000 + 16 * 196
    fit = fit_of(Room(gib * GIB, total=1), QWEN2_7B, tokens, most_read=64)
    assert fit.read_at_once == readers
    assert FEWEST_READ <= readers <= MOST_READ
    fewer = fit_of(Room(gib * GIB, total=1), QWEN2_7B, tokens, most_read=8)
    assert (fewer.read_at_once, fewer.cameras > fit.cameras) == (8, True)


def test_no_more_can_be_read_than_fit() -> None:
    fit = fit_of(Room(2 * GIB, total=1), QWEN2_7B, 4000 + 16 * 196, most_read=64)
    assert fit.cameras == fit.read_at_once == 2


def test_on_a_cpu_all_memories_can_be_read_at_once() -> None:
    """They keep their rotated keys in any case."""
    shape = CacheShape(5, 2, 16, 3, torch.bfloat16, CPU)
    assert fit_of(Room(GIB), shape, 77, most_read=64).read_at_once is None


@given(
    free=st.integers(0, 1 << 40),
    work=st.integers(0, 1 << 34),
    tokens=st.integers(1, 20_000),
    most=st.integers(1, 256),
)
def test_what_fits_fits_while_as_many_are_read_as_may_be(
    free: int, work: int, tokens: int, most: int
) -> None:
    fit = fit_of(Room(free, work, total=1), QWEN2_7B, tokens, most)
    slab = slab_bytes(QWEN2_7B, tokens)
    read = slab + tokens * QWEN2_7B.bytes_per_token // 2
    assert fit.read_at_once is not None
    assert fit.cameras < 2 or fit.cameras * slab + fit.read_at_once * read + work <= free
