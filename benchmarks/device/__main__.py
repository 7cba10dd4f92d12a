"""`python -m benchmarks.device --shape llava-onevision-7b --device cuda`: what one device does."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers

from benchmarks.device import changes, ingest, load, questions
from benchmarks.device.machine import limits_of, name_of
from benchmarks.device.report import Table, to_json, to_markdown
from benchmarks.device.subject import DEMO, EVERY, Plain, Subject, subject
from benchmarks.listening import Watch
from hermes.engine import Engine, EngineConfig
from hermes.vlm.shapes import SHAPES

_MOST_CAMERAS = 4096


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print Markdown, write JSON and Markdown."""
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
    parser.add_argument("--out", type=Path, help="folder for device.json and device.md")
    options = parser.parse_args(arguments)
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
    tables: list[Table] = []

    def done(*new: Table) -> None:
        tables.extend(new)
        took = time.monotonic() - began
        print(f"[{took:.0f} s] {'; '.join(table.title for table in new)}", file=sys.stderr)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            about["seconds"] = round(took)
            (options.out / "device.json").write_text(to_json(about, tables))
            (options.out / "device.md").write_text(to_markdown(about, tables))

    measure(of, options, done)
    print(to_markdown(about, tables))


def measure(of: Subject, options: argparse.Namespace, done: Callable[..., None]) -> None:
    """All tables, each passed to `done` as soon as it is complete."""
    limits = limits_of(of.device, of.model.shape.dtype)
    plain = Plain(of)
    done(*questions.against_frames(of, plain, limits, options.frames, options.reencoded))
    del plain  # its weights make room for memories
    states = of.full_states()
    done(ingest.compression(of, states), ingest.snapshots(of, states))
    fitting = _fitting(of)
    done(ingest.against_cameras(of, limits, states, options.cameras, fitting))
    done(changes.taking_changes(of, options.cameras, fitting))
    done(load.against_cameras(of, states, options.loads, fitting, options.fps, options.seconds))


def _fitting(of: Subject) -> int:
    """How many memories an engine would take on this device."""
    config = EngineConfig(
        budget_tokens=of.budget, compress_every_frames=EVERY, max_cameras=_MOST_CAMERAS
    )
    engine = Engine(of.model, config, Watch())
    engine.warm_up()
    return engine.capacity


if __name__ == "__main__":
    main()
