"""`python -m benchmarks.device --shape llava-onevision-7b --device cuda`: what one device does."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import torch
import transformers

from benchmarks.device import changes, ingest, load, questions
from benchmarks.device.machine import Limits, limits_of, name_of
from benchmarks.device.report import Report, to_markdown
from benchmarks.device.subject import DEMO, Subject, subject
from hermes.memory import MemoryState
from hermes.vlm.shapes import SHAPES

_MOST_CAMERAS = 4096


QUICK = {
    "frames": [16, 256],
    "reencoded": 0,
    "cameras": [1, 32],
    "loads": [8, 100, 200],
    "seconds": 4.0,
    "budget_s": 200.0,
}
"""What `--quick` measures, unless another option says otherwise. A row that began is finished."""


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--shape", choices=[DEMO, *SHAPES], default=DEMO)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--dtype", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--layers", type=int, help="at most so many, for a quick look")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 64, 256, 1024, 4096])
    parser.add_argument("--reencoded", type=int, default=questions.REENCODED)
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument(
        "--loads", type=int, nargs="+", default=[1, 8, 32, 64, 100, 150, 200, 256, 384, 512]
    )
    parser.add_argument("--fps", type=float, default=0.5, help="of each camera under load")
    parser.add_argument("--seconds", type=float, default=8.0, help="under each load")
    parser.add_argument(
        "--budget-s", type=float, default=math.inf, help="no row begins later than this"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 4 minutes")
    parser.add_argument("--out", type=Path, help="folder for device.json and device.md")
    options = parser.parse_args(arguments)
    if options.quick:
        options = parser.parse_args(arguments, argparse.Namespace(**QUICK))
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print Markdown, write JSON and Markdown. The exit status: 1 if a part failed."""
    options = options_of(arguments)
    torch.set_num_threads(options.threads)
    on_cuda = torch.device(options.device).type == "cuda"
    dtype = getattr(torch, options.dtype or ("bfloat16" if on_cuda else "float32"))
    began = time.monotonic()
    of = subject(options.shape, options.device, dtype, options.layers)
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "device": name_of(of.device),
        "shape": options.shape + (f", {options.layers} layers" if options.layers else ""),
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "command": "python -m benchmarks.device " + " ".join(arguments or sys.argv[1:]),
    }
    budget_s = options.budget_s - (time.monotonic() - began)
    report = Report(about, options.out, tidy=of.tidy, budget_s=budget_s)
    measure(report, of, options)
    print(to_markdown(about, report.tables))
    return 1 if report.failures else 0


class _Shared:
    """What several parts need. `fitting`: how many memories fit, once an engine has said it."""

    def __init__(self, of: Subject) -> None:
        self._of = of
        self.fitting: int | None = None

    @cached_property
    def limits(self) -> Limits:
        """The device's limits."""
        return limits_of(self._of.device, self._of.model.shape.dtype)

    @cached_property
    def states(self) -> list[MemoryState]:
        """Full memories."""
        return self._of.full_states()


def measure(report: Report, of: Subject, options: argparse.Namespace) -> None:
    """All tables. A part that fails leaves the others as they are."""
    shared = _Shared(of)

    def under_load() -> None:
        engine = load.LoadedEngine(of, shared.states, _MOST_CAMERAS)
        shared.fitting = engine.capacity
        load.against_cameras(report, of, engine, options.loads, options.fps, options.seconds)

    parts: dict[str, Callable[[], None]] = {
        "questions": lambda: questions.against_frames(
            report, of, shared.limits, options.frames, options.reencoded
        ),
        "compression": lambda: ingest.compression(report, of, shared.states),
        "snapshots": lambda: ingest.snapshots(report, of, shared.states),
        "load": under_load,
        "ingest": lambda: ingest.against_cameras(
            report, of, shared.limits, shared.states, options.cameras, shared.fitting
        ),
        "changes": lambda: changes.taking_changes(report, of, options.cameras, shared.fitting),
    }
    for name, part in parts.items():
        report.attempt(name, part)


if __name__ == "__main__":
    sys.exit(main())
