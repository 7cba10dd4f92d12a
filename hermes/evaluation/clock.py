"""Times of work on a device."""

from __future__ import annotations

import torch


def settle(device: torch.device) -> None:
    """Wait for the device, so that a time that is taken now is that of finished work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
