"""Counts the times that computing waits for the device, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_ALWAYS = {
    "aten::_local_scalar_dense",  # item(), int(), bool(), if
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::unique_consecutive",
    "aten::repeat_interleave.Tensor",
    "aten::bincount",
}
_BY_MASK = {"aten::index.Tensor", "aten::index_put", "aten::index_put_"}
_TO_HOST = {
    Tensor.tolist,
    Tensor.numpy,
    Tensor.cpu,
    Tensor.item,
    Tensor.__bool__,
    Tensor.__int__,
    Tensor.__float__,
    Tensor.__index__,
}


class Waits:
    """Names of the operations, in order, for which the host would wait for a GPU.

    Sizes that depend on values (boolean indices, for example), and values that the
    host reads.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._modes = ExitStack()

    def __enter__(self) -> Self:
        self._modes.enter_context(_Operations(self.seen))
        self._modes.enter_context(_Methods(self.seen))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._modes.close()


class _Operations(TorchDispatchMode):
    def __init__(self, seen: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seen = seen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        name = func.name()
        if name in _ALWAYS or (name in _BY_MASK and _has_mask(args[1])):
            self._seen.append(name)
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    """Reads of a CPU tensor that are no operations; in inference mode, `item` is none either."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func in _TO_HOST:
            self._seen.append(func.__name__)
        return func(*args, **(kwargs or {}))


def _has_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)
