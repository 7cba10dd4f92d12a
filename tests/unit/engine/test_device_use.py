"""How an engine uses its device: from which threads, through which buffers, how far ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch

from hermes.engine import EngineConfig
from hermes.engine.ingesting import DevicePace
from hermes.memory import device_of
from hermes.memory.cuda import Cuda
from hermes.memory.host import Host
from tests.support import tiny
from tests.support.named_engine import NamedEngine
from tests.support.noted_device import NotedDevice
from tests.unit.engine.test_engine import Observer, Sink, batch, cursor_of, wait, wait_for

CONFIG = EngineConfig(
    budget_tokens=96, compress_every_frames=3, max_cameras=2, max_question_tokens=64,
    max_answer_tokens=8,
)  # fmt: skip


def on_a_thread(name: str, work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


def test_every_thread_makes_the_device_its_own_before_it_uses_it() -> None:
    """A thread that does not is GPU 0's: it pins there, and records there."""
    device = NotedDevice()
    engine = NamedEngine(tiny.model(), CONFIG, Observer(), device=device)
    on_a_thread("warming up", engine.warm_up)
    pictures = tiny.pictures(1)
    on_a_thread("decoding", lambda: engine.prepare(pictures[0]))
    engine.start()
    try:
        engine.open("a")
        engine.offer("a", batch(1, 4))
        wait_for(lambda: cursor_of(engine, "a") == "000001")
        sink = Sink()
        engine.ask("a", "What now?", sink, max_tokens=2)
        wait(sink.ended)
        state = engine.snapshot("a").result(20).state
    finally:
        engine.stop()
    assert device.strays == []
    assert device.threads["pinned"] == {"decoding"}
    assert "device" in device.threads["mark"]
    assert state.tensors["keys"].any()
    assert device.fetches.marks  # the snapshot went through buffers


@pytest.mark.parametrize("queued", [1, 2, 3, 7])
def test_the_host_is_two_slices_ahead_of_the_device_at_most(queued: int) -> None:
    device = NotedDevice()
    device.enter()
    pace = DevicePace(device)
    for _ in range(queued):
        pace.tick()
    assert [mark.waits for mark in device.marks] == [1] * (queued - 2) + [0] * min(2, queued)
    pace.forget()
    for _ in range(2):
        pace.tick()
    assert sum(mark.waits for mark in device.marks) == max(0, queued - 2)


def test_slices_are_as_long_as_suits_the_device_unless_a_person_says_otherwise() -> None:
    assert EngineConfig().slice_s == 0
    assert (Cuda.slice_s, Host.slice_s) == (0.004, 0.010)


def test_a_gpu_without_a_number_is_the_one_that_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", entered.append)
    device_of(torch.device("cuda")).enter()
    device_of(torch.device("cuda:1")).enter()
    assert entered == [torch.device("cuda:2"), torch.device("cuda:1")]
    assert isinstance(device_of(torch.device("cpu")), Host)
