"""`make bench`: every benchmark of this folder, as one table."""

from __future__ import annotations

import argparse
import platform
import sys
import time

import torch

from benchmarks import (
    changes,
    checkpoints,
    compression,
    decode,
    door,
    flood,
    forms,
    frame_flood,
    frame_log,
    gateway,
    gateway_flood,
    many,
    memory,
    serving,
    spans,
    standing,
    stream,
    waiting,
    watches,
)
from benchmarks.table import Row, render
from hermes.cpus import usable_cpus

MODULES = {
    "memory": memory,
    "stream": stream,
    "serving": serving,
    "spans": spans,
    "changes": changes,
    "waiting": waiting,
    "compression": compression,
    "frame_log": frame_log,
    "decode": decode,
    "forms": forms,
    "gateway": gateway,
    "door": door,
    "flood": flood,
    "gateway_flood": gateway_flood,
    "frame_flood": frame_flood,
    "many": many,
    "checkpoints": checkpoints,
    "standing": standing,
    "watches": watches,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*MODULES, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side")
    options = parser.parse_args()
    print(f"{platform.machine()}, {usable_cpus()} CPUs, torch {torch.__version__}, demo model\n")
    rows: list[Row] = []
    began = time.monotonic()
    for name in options.only or MODULES:
        rows += MODULES[name].run(options.rounds)
        print(f"[{time.monotonic() - began:.0f} s] {name}", file=sys.stderr, flush=True)
    print(render(rows))


if __name__ == "__main__":
    main()
