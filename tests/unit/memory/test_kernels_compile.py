"""The kernels compile for a GPU, which takes none: the interpreter would not notice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from hermes.memory import kernels

types = {"table": "*i64", "rotations": "*fp32", "parts": "*fp32", "sums": "*fp32"}
types |= {"head_stride": "i32", "layer": "i32", "tokens": "i32", "scale": "fp32"}
fixed = {"KV": 2, "GROUPS": 7, "ROWS": 16, "DIM": 64, "SPAN": 256, "SPLITS": 4, "BLOCK": 64}
for kernel in kernels.KERNELS:
    names = kernel.arg_names
    signature = {
        name: "constexpr" if name in fixed else types.get(name, "*bf16") for name in names
    }
    constants = {(at,): fixed[name] for at, name in enumerate(names) if name in fixed}
    source = ASTSource(kernel, signature, constants)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    print("compiled" if "cubin" in made.asm else "not compiled")
"""


@pytest.mark.slow
def test_all_kernels_compile_for_a_gpu() -> None:
    """Here in a process of its own, because in this one they are interpreted."""
    pytest.importorskip("triton")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["compiled"] * 3
