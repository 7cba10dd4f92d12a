"""AdamW for a model that may compute in 16 bit: weights are kept, and updated, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

_LONGEST_GRADIENT = 1.0


class MasterWeights:
    """Takes steps on float32 copies of parameters, with a one-cycle learning rate."""

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        *,
        rate: float,
        steps: int,
        warm_up: float,
        decay: float,
    ) -> None:
        """`warm_up`: the share of steps until the rate is at its highest."""
        self._live = list(parameters)
        self._dtype = self._live[0].dtype
        self._masters = [p.detach().to(torch.float32).requires_grad_() for p in self._live]
        self._adam = torch.optim.AdamW(
            self._masters, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._adam, rate, total_steps=steps, pct_start=warm_up
        )

    def step(self, loss: Tensor) -> None:
        """One step to reduce `loss`."""
        loss.backward()
        for live, master in zip(self._live, self._masters, strict=True):
            master.grad = None if live.grad is None else live.grad.to(torch.float32)
            live.grad = None
        nn.utils.clip_grad_norm_(self._masters, _LONGEST_GRADIENT)
        self._adam.step()
        self._schedule.step()
        self.publish(self._dtype)

    def state(self) -> dict[str, Any]:
        """Everything that is needed to continue from here."""
        masters = [master.detach() for master in self._masters]
        return {
            "masters": masters,
            "adam": self._adam.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken of."""
        for master, kept in zip(self._masters, state["masters"], strict=True):
            master.copy_(kept)
        self._adam.load_state_dict(state["adam"])
        self._schedule.load_state_dict(state["schedule"])
        self.publish(self._dtype)

    @torch.no_grad()
    def publish(self, dtype: torch.dtype) -> None:
        """Give the parameters their masters' values, in `dtype`."""
        for live, master in zip(self._live, self._masters, strict=True):
            live.data = master.detach().to(dtype)
