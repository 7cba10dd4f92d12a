"""Energy: where the device tells it, and nothing elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hermes.evaluation.energy import EnergyMeter

GPU = torch.device("cuda", 0)


class Library:
    """As NVIDIA's. `used`: thousandths of a joule since the driver was loaded."""

    def __init__(self, used: list[int]) -> None:
        self._used = used
        self.uuid = ""

    def nvmlInit(self) -> None:  # noqa: N802 - the library's own name
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        self.uuid = uuid
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        assert handle == "handle"
        if not self._used:
            raise RuntimeError("not supported")
        return self._used.pop(0)


def meter(monkeypatch: pytest.MonkeyPatch, library: Any) -> EnergyMeter:
    monkeypatch.setitem(sys.modules, "pynvml", library)
    properties = SimpleNamespace(uuid="12-34")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    return EnergyMeter(GPU)


def test_joules_since_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library([5_000, 7_500, 9_000])
    made = meter(monkeypatch, library)
    assert library.uuid == "GPU-12-34"
    assert made.joules == 2.5
    assert made.joules == 4.0
    assert made.joules is None  # it stopped telling


@pytest.mark.parametrize("library", [None, Library([])], ids=["no library", "no counter"])
def test_where_nothing_is_told_there_is_no_figure(
    monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    assert meter(monkeypatch, library).joules is None
    assert EnergyMeter(torch.device("cpu")).joules is None
