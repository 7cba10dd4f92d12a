"""The energy that a GPU takes, where it tells."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import torch

log = logging.getLogger(__name__)

_JOULES = 1e-3  # the library counts in thousandths


class EnergyMeter:
    """Counts the joules of a device since it was made. Needs NVIDIA's `pynvml` (nvidia-ml-py)."""

    def __init__(self, device: torch.device) -> None:
        self._library: Any = None
        self._handle: Any = None
        if device.type == "cuda":
            self._open(device)
        self._began = self._read()

    @property
    def joules(self) -> float | None:
        """What was used so far; None where the device does not tell."""
        now = self._read()
        return None if now is None or self._began is None else now - self._began

    def _open(self, device: torch.device) -> None:
        try:
            library = importlib.import_module("pynvml")
            library.nvmlInit()
            uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            self._handle = library.nvmlDeviceGetHandleByUUID(uuid)
            self._library = library
        except Exception as error:  # the library, the driver or an old device: no figure
            log.info("the device does not tell its energy: %s", error)

    def _read(self) -> float | None:
        if self._library is None:
            return None
        try:
            used: int = self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except Exception:  # a device that does not count
            return None
        return used * _JOULES
