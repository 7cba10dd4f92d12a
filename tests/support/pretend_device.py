"""A device that is none: CPU tensors that say they are on CUDA, and every launch is counted.

Code that asks where a tensor is takes the path that it takes on a GPU. What would be a kernel or a
copy there counts as a launch; what the host would wait for counts as a wait.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("cuda", 0)

_FREE = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "lift_fresh"}
"""Operations that launch nothing, besides views."""
_FREE |= {"_unsafe_view", "is_same_size", "sym_size", "sym_stride", "sym_numel", "resize_"}

_SIZES = {
    "nonzero",
    "masked_select",
    "equal",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
    "_local_scalar_dense",
    "is_nonzero",
}
"""Operations whose result's size, or whose result, the host waits for."""

_READS = {
    Tensor.tolist,
    Tensor.numpy,
    Tensor.item,
    Tensor.__bool__,
    Tensor.__int__,
    Tensor.__float__,
    Tensor.__index__,
}
"""What reads a tensor on the host."""

_WHOLE = {"where", "rms_norm", "layer_norm", "softmax", "scaled_dot_product_attention"}
"""Composite operations that a GPU has one kernel for."""

Site = str


class Counted:
    """Launches and waits by operation and by the line of code that caused them."""

    def __init__(self) -> None:
        self.launched: Counter[tuple[str, Site]] = Counter()
        self.waited: Counter[tuple[str, Site]] = Counter()

    @property
    def launches(self) -> int:
        """How many kernels and copies were launched."""
        return self.launched.total()

    @property
    def waits(self) -> int:
        """How often the host waited."""
        return self.waited.total()

    def table(self, most: int = 40) -> str:
        """The lines of code that launch most, and all that wait."""
        sites: Counter[Site] = Counter()
        names: dict[Site, Counter[str]] = {}
        for (name, site), count in self.launched.items():
            sites[site] += count
            names.setdefault(site, Counter())[name] += count
        lines = [f"{self.launches} launches, {self.waits} waits"]
        for site, count in sites.most_common(most):
            of = ", ".join(f"{name} {n}" for name, n in names[site].most_common(6))
            lines.append(f"{count:6} {site}  {of}")
        lines += [f"  wait {n} {name} {site}" for (name, site), n in self.waited.items()]
        return "\n".join(lines)


_counting: list[Counted] = []


def launched(name: str) -> None:
    """Count a launch that no tensor operation shows: one of a kernel of our own."""
    if not _counting:
        return
    kernel = _kernel()
    if kernel is None:
        _counting[-1].launched[name, _site()] += 1
    elif kernel is not _kernels[-1]:
        _kernels[-1] = kernel
        _counting[-1].launched["kernel", _site()] += 1


def _wait(name: str) -> None:
    if _counting:
        _counting[-1].waited[name, _site()] += 1


_kernels: list[object] = [None]

_IN_STEPS = ("/memory/rope.py", "/vlm/expert_steps.py")
"""Files whose functions do in steps what one kernel does on a GPU."""


def _kernel() -> object:
    """The call of such a function that is under way."""
    frame, found = inspect.currentframe(), None
    while frame is not None:
        code = frame.f_code
        if code.co_filename.endswith(_IN_STEPS) or code.co_name == "_rotated_once":
            found = frame
        frame = frame.f_back
    return found


def _site() -> Site:
    """The innermost line of the project's code, or of the model's if none is nearer."""
    frame, found = inspect.currentframe(), ""
    while frame is not None:
        file = frame.f_code.co_filename
        if "/hermes/" in file and "site-packages" not in file and "/tests/" not in file:
            here = f"hermes/{file.rpartition('/hermes/')[2]}:{frame.f_lineno}"
            return f"{found} < {here}" if found else here
        if not found and "/transformers/" in file:
            found = f"{file.rpartition('/transformers/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return found


class OnDevice(Tensor):
    """A CPU tensor that says it is on `DEVICE`."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made: OnDevice = cls._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=DEVICE,
            requires_grad=False,
        )
        made.held = held
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({self.held!r})"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        with torch.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name not in _WHOLE and not name.startswith("upsample"):
            found = func.decompose(*args, **kwargs)
            if found is not NotImplemented:
                return found
        _note(func, name, args)
        if name == "_to_copy" and not _on_device(kwargs.get("device", DEVICE)):
            if not kwargs.get("non_blocking"):
                _wait("copy to host")
            return func(*tree_map(_held, args), **kwargs)
        if "device" in kwargs:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        held = tree_map(_held, args)
        if name == "histc":  # on a GPU it also counts integers
            return OnDevice(func(held[0].double(), *held[1:]).to(held[0].dtype))
        out = func(*held, **tree_map(_held, kwargs))
        if name.endswith("_") or "out" in kwargs:
            return _same(args, kwargs, out)
        return tree_map(_wrapped, out)


def _note(func: Any, name: str, args: Sequence[Any]) -> None:
    if name in _SIZES or (name in ("index", "index_put", "index_put_") and _has_mask(args[1])):
        _wait(name)
    if func.name() == "aten::repeat_interleave.Tensor":
        _wait(name)
    if name == "rms_norm" and not args[0].is_contiguous():
        launched("contiguous")
    if not func.is_view and name not in _FREE:
        launched(name)


def _same(args: Any, kwargs: Any, out: Any) -> Any:
    """What an operation in place returns: the tensor that it was given."""
    given = {id(_held(a)): a for a in [*args, *kwargs.values()] if isinstance(a, Tensor)}
    return tree_map(
        lambda part: given.get(id(part), _wrapped(part)) if isinstance(part, Tensor) else part, out
    )


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnDevice) else value


def _wrapped(value: Any) -> Any:
    if isinstance(value, Tensor) and not isinstance(value, OnDevice):
        return OnDevice(value)
    return value


def _on_device(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith("cuda")
    return isinstance(value, torch.device) and value.type == "cuda"


def _has_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


def _index(index: Any, *, writes: bool = False) -> Any:
    """An index for CPU tensors. Notes what it costs on the device."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, Tensor) and part.dim():
            if not writes:
                launched("index")
            if part.dtype in (torch.bool, torch.uint8):
                _wait("index by a mask")
            elif not isinstance(part, OnDevice):
                _wait("copy to device")
            break
        if isinstance(part, list):
            if not writes:
                launched("index")
            _wait("copy to device")
            break
    return tuple(_held(part) for part in parts) if isinstance(index, tuple) else _held(index)


def _moved(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`Tensor.to`, between host and device."""
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    for arg in args:
        if isinstance(arg, Tensor):
            device, dtype = arg.device, arg.dtype
        elif isinstance(arg, torch.dtype):
            dtype = arg
        elif isinstance(arg, torch.device | str):
            device = arg
    there = isinstance(tensor, OnDevice)
    goes = there if device is None else _on_device(device)
    held = _held(tensor)
    made = held if dtype is None else held.to(dtype)
    copied = kwargs.get("copy", False)
    if goes != there or made is not held or copied:
        name = "copy to device" if goes and not there else "copy to host" if there != goes else "to"
        if there or goes:
            launched(name)
        if there != goes and not kwargs.get("non_blocking"):
            _wait(name)
        made = made.clone() if made is held else made
    return _wrapped(made) if goes and made is not held else tensor if goes else made


class _Calls(TorchFunctionMode):
    """Sees what makes tensors on the device, and what reads them."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        own = any(isinstance(arg, OnDevice) for arg in args)
        if func in _READS and own:
            _wait(name)
            return func(_held(args[0]), *args[1:])
        if func is Tensor.cpu and own:
            _wait(name)
            return args[0].held.clone()
        if func is Tensor.contiguous and own:
            made = args[0].held.contiguous(**kwargs)
            if made is args[0].held:
                return args[0]
            launched("contiguous")
            return OnDevice(made)
        if func is Tensor.copy_ and own:
            there = [isinstance(arg, OnDevice) for arg in args[:2]]
            launched("copy_")
            waits = not (kwargs.get("non_blocking") or (len(args) > 2 and args[2]))
            if not all(there) and waits:
                _wait("copy to host" if there[1] else "copy to device")
            _held(args[0]).copy_(_held(args[1]))
            return args[0]
        if func is Tensor.__invert__ and own:
            return torch.bitwise_not(args[0])
        if func is Tensor.nonzero and own:
            launched("nonzero")
            _wait("nonzero")
            return OnDevice(args[0].held.nonzero())
        if func is Tensor.data_ptr and own:
            return args[0].held.data_ptr()
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.to:
            return _moved(*args, **kwargs)
        if func is Tensor.__getitem__ and own:
            found = args[0].held[_index(args[1])]
            return OnDevice(found)
        if func is Tensor.__setitem__ and own:
            launched("copy_" if isinstance(args[2], Tensor) else "fill_")
            if isinstance(args[2], Tensor) and not isinstance(args[2], OnDevice) and args[2].dim():
                _wait("copy to device")
            args[0].held[_index(args[1], writes=True)] = _held(args[2])
            return None
        if func is functional.scaled_dot_product_attention and own:
            launched("scaled_dot_product_attention")
            held = {key: _held(value) for key, value in kwargs.items()}
            mask = held.get("attn_mask")
            if mask is not None and type(mask).__name__ == "CausalBias":
                rows, columns = mask.seq_len_q, mask.seq_len_kv
                held["attn_mask"] = torch.ones(rows, columns, dtype=torch.bool).tril(columns - rows)
            return OnDevice(func(*(_held(arg) for arg in args), **held))
        if _on_device(kwargs.get("device")) and not own:
            kwargs["device"] = "cpu"
            made = func(*args, **kwargs)
            if name in ("tensor", "as_tensor"):
                _wait("copy to device")
            if not name.startswith("empty"):
                launched(name)
            return tree_map(_wrapped, made)
        return func(*args, **kwargs)


@contextmanager
def pretending() -> Iterator[None]:
    """While it is open, tensors can be made on `DEVICE`."""
    with mock.patch.object(torch.cuda, "get_device_capability", return_value=(9, 0)), _Calls():
        yield


@contextmanager
def counting() -> Iterator[Counted]:
    """Count what is launched, and what is waited for."""
    counted = Counted()
    _counting.append(counted)
    try:
        yield counted
    finally:
        _counting.remove(counted)


def moved(module: nn.Module) -> nn.Module:
    """The module, with its weights on `DEVICE`."""
    for part in module.modules():
        for name, value in list(part.named_parameters(recurse=False)):
            there = nn.Parameter(OnDevice(value.data), requires_grad=False)
            part.register_parameter(name, there)
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, OnDevice(buffer))
    return module
