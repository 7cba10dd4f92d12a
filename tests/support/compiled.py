"""What kernels cost on a GPU: they are compiled just as they are launched, and run nowhere.

As a program it prints a line of JSON for each kernel. It is a process of its own, because where
tests run kernels are interpreted: `python -m tests.support.compiled CAPABILITY TOKENS MODEL ...`,
with the tokens of several passes between commas.
"""

# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


@dataclass(frozen=True, slots=True)
class Heads:
    """The attention of a model, and the axes of its positions."""

    heads: int
    kv_heads: int
    dim: int
    axes: int


MODELS = {
    "llava-onevision-0.5b": Heads(14, 2, 64, 1),
    "llava-onevision-7b": Heads(28, 4, 128, 1),
    "qwen2.5-vl-3b": Heads(16, 2, 128, 3),
    "qwen2.5-vl-7b": Heads(28, 4, 128, 3),
    "qwen3-vl-4b": Heads(32, 8, 128, 3),
    "qwen3-vl-8b": Heads(32, 8, 128, 3),
    "qwen3-vl-30b-a3b": Heads(32, 4, 128, 3),
}


@dataclass(frozen=True, slots=True)
class Mixture:
    """The experts of a model's layer, and what they read."""

    width: int
    inner: int
    experts: int
    chosen: int


IN_8_BITS = " in 8 bits"
"""Behind a model's name: its keys and values are stored so."""

MIXTURES = {"experts of qwen3-vl-30b-a3b": Mixture(2048, 768, 128, 8)}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one kernel. `loops`: instructions of each of its loops.

    `stack`: bytes of a thread. `shared`: bytes of a block of threads. `loads`: bits that its widest
    load of keys, or of whatever it rotates, takes at once; `narrow`: how many loads take 16 bits.
    `products`: the instructions of tensor cores, by name.
    """

    name: str
    tokens: int
    registers: int
    stack: int
    spills: int
    shared: int
    warps: int
    instructions: int
    loops: list[int]
    loads: int
    narrow: int
    products: list[str]


def costs(capability: int, tokens: Sequence[int], *models: str) -> list[Cost]:
    """Of every different kernel that runs for these models on such a GPU.

    `tokens`: of each pass.
    """
    program = [sys.executable, "-m", "tests.support.compiled"]
    done = subprocess.run(
        [*program, str(capability), ",".join(map(str, tokens)), *models],
        env={name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    return [Cost(**json.loads(line)) for line in done.stdout.splitlines()]


class _Gpu:
    """As much of a GPU as a compiler has to know."""

    def __init__(self, capability: int) -> None:
        from triton.backends.compiler import GPUTarget

        self._target = GPUTarget("cuda", capability, 32)

    def get_current_target(self) -> Any:
        return self._target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


@contextmanager
def _compiling(capability: int) -> Iterator[list[Any]]:
    """Every launch compiles a kernel. Gives those that were compiled, each of them once."""
    import triton
    from triton.runtime.jit import JITFunction

    run = JITFunction.run
    made: list[Any] = []

    def compiled(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> None:
        kernel = run(self, *args, grid=grid, warmup=True, **options)
        if all(kernel.hash != other.hash for other in made):
            made.append(kernel)

    triton.runtime.driver.set_active(_Gpu(capability))
    JITFunction.run = compiled
    try:
        yield made
    finally:
        JITFunction.run = run


def _launch(model: Heads, tokens: int, layer: int, reach: int) -> None:
    """What the attention and the rotation of a pass launch, in one layer of a model."""
    import torch

    from hermes.memory import HeadNorms, rotation
    from hermes.memory.kernels import Reader
    from hermes.memory.reading import COLUMNS

    kind, dim = torch.bfloat16, model.dim
    lines = torch.empty((tokens, model.heads + 2 * model.kv_heads, dim), dtype=kind)
    parts = lines.split((model.heads, model.kv_heads, model.kv_heads), dim=1)
    query, key, value = (part.contiguous().transpose(0, 1) for part in parts)
    frequencies, axis = torch.empty(dim), torch.empty(dim, dtype=torch.int64)
    table = torch.empty((len(COLUMNS), tokens), dtype=torch.int64)
    turns = rotation.tables(table[0].expand(model.axes, -1), frequencies, axis, 1.0)
    reader = Reader(tokens, model.heads, model.kv_heads, dim, reach, query)
    reader.attend(table, turns, layer, query, key, value, dim**-0.5)
    norms = HeadNorms(torch.empty(dim, dtype=kind), torch.empty(dim, dtype=kind), 1e-6)
    reader.attend(table, turns, layer, query, key, value, dim**-0.5, norms)
    rotation.rotate(query, (turns[:, 0], turns[:, 1]), torch.empty_like(query), 1.0)
    keys = torch.empty((layer + 2, model.kv_heads, 1031, dim), dtype=kind)
    positions = torch.empty((layer + 2, model.axes, 1031), dtype=torch.int32)
    chosen = torch.empty((layer + 2, reach), dtype=torch.int64), torch.empty(9, dtype=torch.int32)
    rotary = frequencies, axis, 1.0
    rotation.rotate_keys(keys, positions, rotary, keys, (layer, layer + reach))
    rotation.rotate_keys(keys, positions, rotary, keys, (0, reach), chosen)
    one = slice(layer, layer + 1)
    rotation.rotate_keys(keys[one], positions[one], rotary, keys[one], (0, reach))


def _launch_stored(model: Heads, tokens: int, layer: int, reach: int) -> None:
    """What a pass launches where keys and values are stored in 8 bits."""
    import torch

    from hermes.memory import rotation, storing
    from hermes.memory.kernels import Reader
    from hermes.memory.reading import COLUMNS
    from hermes.memory.stored import EIGHT_BITS

    kind, dim = torch.bfloat16, model.dim
    lines = torch.empty((tokens, model.heads + 2 * model.kv_heads, dim), dtype=kind)
    parts = lines.split((model.heads, model.kv_heads, model.kv_heads), dim=1)
    query, key, value = (part.contiguous().transpose(0, 1) for part in parts)
    table = torch.empty((len(COLUMNS), tokens), dtype=torch.int64)
    turns = torch.empty((tokens, 2, dim))
    reader = Reader(tokens, model.heads, model.kv_heads, dim, reach, query, eight_bits=True)
    reader.attend(table, turns, layer, query, key, value, dim**-0.5)
    rotary = torch.empty(dim), torch.empty(dim, dtype=torch.int64), 1.0
    size = (layer + 2, model.kv_heads, 1031, dim)
    keys, values = (torch.empty(size, dtype=EIGHT_BITS) for _ in range(2))
    rotated = torch.empty(size, dtype=kind)
    bias = torch.empty((layer + 2, model.kv_heads, 1, dim))
    positions = torch.empty((layer + 2, model.axes, 1031), dtype=torch.int32)
    for added in (bias, None):
        own = None if added is None else added[layer, :, 0]
        storing.store(key, value, own, keys[layer], values[layer], layer)
        span = (layer, layer + reach)
        rotation.rotate_keys(keys, positions, rotary, rotated, span, bias=added)


def _launch_experts(of: Mixture, tokens: int) -> None:
    """What the experts of a layer launch, where few tokens are read."""
    import torch

    from hermes.vlm import expert_kernels

    kind = torch.bfloat16
    values, hidden = torch.empty((2, tokens, of.width), dtype=kind)
    router = torch.empty((tokens, of.experts), dtype=kind)
    gate_up = torch.empty((of.experts, 2 * of.inner, of.width), dtype=kind)
    down = torch.empty((of.experts, of.width, of.inner), dtype=kind)
    made = expert_kernels.gated(values, router, gate_up, of.chosen)
    expert_kernels.mixed(hidden, made, router, down)


def _cost(kernel: Any, tokens: int, folder: Path) -> Cost:
    import triton

    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    file = folder / "kernel.cubin"
    file.write_bytes(kernel.asm["cubin"])

    def said(option: str) -> str:
        return subprocess.run(
            [tools / "cuobjdump", option, file], capture_output=True, text=True, check=True
        ).stdout

    use = dict(re.findall(r"(REG|STACK|LOCAL):(\d+)", said("-res-usage")))
    lines = re.findall(
        r"^\s+/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+ +)?([A-Z0-9_.]+)(.*);", said("-sass"), re.M
    )
    names = [name for _, _, name, _ in lines]
    loads = [name for name in names if name.startswith(("LDG", "LDGSTS"))]
    return Cost(
        name=kernel.metadata.name.strip("_"),
        tokens=tokens,
        registers=int(use["REG"]),
        stack=int(use["STACK"]) + int(use["LOCAL"]),
        spills=sum(name.startswith(("STL", "LDL")) for name in names),
        shared=kernel.metadata.shared,
        warps=kernel.metadata.num_warps,
        instructions=len(lines),
        loops=[  # a jump back without a condition ends a wait that lies apart
            (int(at, 16) - int(to[1], 16)) // 16 + 1
            for at, condition, name, rest in lines
            if name == "BRA.U" or (name == "BRA" and condition)
            if (to := re.search(r"0x([0-9a-f]+)", rest))
            if int(to[1], 16) < int(at, 16)
        ],
        loads=max([_bits(name) for name in loads], default=0),
        narrow=sum(_bits(name) == 16 for name in loads),
        products=sorted({n.split(".")[0] for n in names if re.match(r"HMMA|HGMMA|UTC\w*MMA", n)}),
    )


def _bits(load: str) -> int:
    found = re.search(r"\.(?:U|S)?(8|16|64|128)\b", load)
    return int(found[1]) if found else 32


def _launches(name: str, tokens: int) -> list[Callable[[], None]]:
    """A pass, and others that take the same kernels: nothing that changes makes another one."""
    if name in MIXTURES:
        return [partial(_launch_experts, MIXTURES[name], tokens)] * 2
    passes = ((0, 1000), (1, 800), (16, 1))
    stored = name.endswith(IN_8_BITS)
    launch, model = _launch_stored if stored else _launch, MODELS[name.removesuffix(IN_8_BITS)]
    return [partial(launch, model, tokens, layer, reach) for layer, reach in passes]


def main(capability: str, tokens: str, *models: str) -> None:
    """Compile, and print what each kernel costs. A model is compiled once if others are alike."""
    different = {
        (MODELS.get(name.removesuffix(IN_8_BITS), name), name.endswith(IN_8_BITS)): name
        for name in models
    }.values()
    with _compiling(int(capability)) as made, TemporaryDirectory() as folder:
        for name in different:
            for count in map(int, tokens.split(",")):
                known = len(made)
                first, *others = _launches(name, count)
                first()
                new = made[known:]
                for launch in others:
                    launch()
                if len(made) > known + len(new):
                    again = [kernel.metadata.name for kernel in made[known + len(new) :]]
                    raise RuntimeError(f"compiled again: {again}")
                for kernel in new:
                    print(json.dumps(asdict(_cost(kernel, count, Path(folder)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
