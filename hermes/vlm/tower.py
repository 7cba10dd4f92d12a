"""Where a vision tower can be interrupted: between its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Between = Callable[[], None]
"""Called between two layers of a long pass, on the device's thread. May run other passes."""


class TowerLayers:
    """Calls a function before each layer of a tower, through forward pre-hooks."""

    def __init__(self, tower: nn.Module) -> None:
        self._between: Between | None = None
        lists = [module for module in tower.modules() if isinstance(module, nn.ModuleList)]
        for layer in max(lists, key=len, default=()):
            layer.register_forward_pre_hook(self._before)

    def _before(self, module: nn.Module, inputs: Any) -> None:
        if self._between is not None:
            self._between()

    @contextmanager
    def calling(self, between: Between | None) -> Iterator[None]:
        """Call `between` during one pass of the tower. It may run another pass of the tower."""
        outer, self._between = self._between, between
        try:
            yield
        finally:
            self._between = outer
