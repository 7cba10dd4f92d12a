"""From the device of tensors to what there is for it."""

from __future__ import annotations

import torch

from hermes.memory.cuda import Cuda
from hermes.memory.device import Device
from hermes.memory.host import Host


def device_of(device: torch.device) -> Device:
    """What there is for tensors on this device."""
    return Cuda(device) if device.type == "cuda" else Host()
