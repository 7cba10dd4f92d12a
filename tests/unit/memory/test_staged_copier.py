"""Copies for snapshots go through a few buffers, while the device does other work."""

from __future__ import annotations

import gc
import weakref

import torch

from hermes.memory.staged_copier import StagedCopier
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.noted_device import NotedFetches


def test_a_copy_is_waited_for_only_once_later_ones_need_its_room() -> None:
    fetches = NotedFetches()
    copier = StagedCopier(fetches, most_bytes=16)
    sources = [torch.arange(4, dtype=torch.int16) + n for n in range(4)]
    targets = [torch.zeros(4, dtype=torch.int16) for _ in sources]
    for source, target in zip(sources[:2], targets, strict=False):
        copier.copy(source, target)
    assert [mark.waits for mark in fetches.marks] == [0, 0]
    copier.copy(sources[2], targets[2])
    assert [mark.waits for mark in fetches.marks] == [1, 0, 0]
    assert torch.equal(targets[0], sources[0])
    assert not targets[1].any()
    copier.copy(sources[3], targets[3])
    copier.finish()
    assert all(map(torch.equal, sources, targets))
    assert fetches.buffers == [8, 8]  # used again


def test_parts_of_every_kind_are_copied() -> None:
    copier = StagedCopier(NotedFetches())
    sources = [
        torch.randn(2, 9, 4)[:, 1:6],
        torch.tensor([True, False, True]),
        torch.randn(3, 2).to(torch.bfloat16),
        torch.zeros((0, 3), dtype=torch.int64),
        torch.tensor(7, dtype=torch.int32),
    ]
    targets = [torch.empty(source.shape, dtype=source.dtype) for source in sources]
    for source, target in zip(sources, targets, strict=True):
        copier.copy(source, target)
    copier.finish()
    assert all(map(torch.equal, sources, targets))


def test_what_is_copied_stays_allocated_until_it_has_arrived() -> None:
    """Else a device could give its memory to another tensor, and copy that."""
    copier, source = StagedCopier(NotedFetches()), torch.ones(3)
    held = weakref.ref(source)
    target = torch.zeros(3)
    copier.copy(source, target)
    del source
    gc.collect()
    assert held() is not None
    copier.finish()
    assert target.tolist() == [1, 1, 1]


def test_copies_that_were_dropped_touch_no_later_one() -> None:
    fetches = NotedFetches()
    copier = StagedCopier(fetches)
    dropped, target = torch.zeros(3), torch.zeros(3)
    copier.copy(torch.ones(3), dropped)
    copier.drop()
    copier.copy(torch.full((3,), 2.0), target)
    copier.finish()
    assert (dropped.tolist(), target.tolist()) == ([0, 0, 0], [2, 2, 2])
    assert len(fetches.buffers) == 2  # the first may still be written to


def test_a_memory_is_copied_whole() -> None:
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=4)
    memory.feed(tiny.pictures(7))
    fetches = NotedFetches()
    expected = memory.state()
    capture = memory.capture(StagedCopier(fetches, most_bytes=1 << 14))
    while not capture.step():
        pass
    found = capture.state()
    assert found.header == expected.header
    assert found.tensors.keys() == expected.tensors.keys()
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name
    assert len(fetches.buffers) < len(fetches.marks)
