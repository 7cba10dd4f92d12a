"""What the device's benchmark makes goes with its last use, without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from benchmarks.device.subject import DEMO, Subject, feed, subject
from hermes.engine import EngineConfig
from hermes.memory import SlabPool
from hermes.memory.slab import Slab
from hermes.vlm import VideoMemory
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.unit.engine.test_engine import Observer, Sink, batch, cursor_of, wait, wait_for


@pytest.fixture(scope="module")
def of() -> Subject:
    return subject(DEMO, "cpu", torch.float32, 1)


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    """Nothing is collected: what reference counts do not free stays."""
    gc.disable()
    yield
    gc.enable()


def slabs() -> set[int]:
    return {id(each) for each in gc.get_objects() if type(each) is Slab}


def test_a_memory_goes_with_its_last_reference() -> None:
    """Restored, compressed while it is read, asked, and closed or not."""
    before = slabs()
    for closed in (True, False):
        memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3)
        memory.feed(tiny.pictures(4))
        memory.restore(memory.state())
        with memory.branch(4):
            memory.feed(tiny.pictures(8))
        memory.ask("What now?", 2)
        if closed:
            memory.close()
        del memory
        assert slabs() == before


def test_a_pool_goes_with_what_lies_in_it_and_readers_stay() -> None:
    before = slabs()
    pool = SlabPool(tiny.model().shape)
    memory = VideoMemory(tiny.model(), budget=96, compress_every_frames=3, slabs=pool)
    branch = memory.branch(4)
    memory.close()
    del memory, pool
    assert len(slabs() - before) == 1  # it is read still
    branch.close()
    del branch
    assert slabs() == before


def test_restores_use_the_slabs_of_those_before_them(of: Subject) -> None:
    """Two slabs a restore were lost: 700 MiB at 7B."""
    before = slabs()
    memory = of.memory()
    feed(memory, 20)
    state = memory.state()
    made = []
    for _ in range(3):
        restored = of.restored(state)
        made.append(of.slabs.made)
        restored.close()
    memory.close()
    assert made == [made[0]] * 3
    of.tidy()
    del memory, restored
    assert slabs() == before


@pytest.mark.parametrize("started", [True, False])
def test_a_stopped_engine_holds_no_memory(started: bool) -> None:
    before = slabs()
    config = EngineConfig(
        budget_tokens=96, compress_every_frames=3, max_cameras=2, max_question_tokens=64,
        max_answer_tokens=8,
    )  # fmt: skip
    engine = NamedEngine(tiny.model(), config, Observer())
    engine.warm_up()
    if started:
        engine.start()
        engine.open("a")
        engine.offer("a", batch(1, 4))
        wait_for(lambda: cursor_of(engine, "a") == "000001")
        sink = Sink()
        engine.ask("a", "What now?", sink, max_tokens=2)
        wait(sink.ended)
    engine.stop()
    merging = 1
    assert len(slabs() - before) <= merging
    assert engine.report("a").cursor == "000001" if started else True
