"""`python -m benchmarks.device.first_contact`: the first minutes on a device, most telling things
first.

Each stage prints a line of JSON as soon as it is over, and appends it to first_contact.jsonl. A
stage that fails stops only itself.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.device import against_fp32, ingest, questions
from benchmarks.device.machine import name_of
from benchmarks.device.report import as_text
from benchmarks.device.subject import DEMO, EVERY, Subject, feed, subject
from hermes.engine.question_pass import QuestionPass, reader_for
from hermes.evaluation.clock import settle
from hermes.memory import device_of
from hermes.memory.reading import NewReader
from hermes.vlm import VideoMemory
from hermes.vlm.shapes import SHAPES

Facts = dict[str, Any]

_RESERVE = 64
_QUESTION = "What is happening now?"
_TOKENS = 4


class Skipped(Exception):
    """A stage has nothing to do here. Says why."""


class Wrong(Exception):
    """A result is not what it should be."""


class Contact:
    """What the stages share. What they need of a model is made on first use."""

    def __init__(
        self, shape: str, device: torch.device, layers: int | None, cameras: Sequence[int]
    ) -> None:
        self.device = device
        self.on_gpu = device.type == "cuda"
        self.dtype = torch.bfloat16 if self.on_gpu else torch.float32
        self.tolerance = 1e-2 if self.on_gpu else 1e-3
        self._rounds = 7 if self.on_gpu else 1
        self._shape, self._layers, self._cameras = shape, layers, cameras

    @cached_property
    def of(self) -> Subject:
        """The model."""
        return subject(self._shape, str(self.device), self.dtype, self._layers)

    @cached_property
    def memory(self) -> VideoMemory:
        """One that was compressed, of which the next frame is compressed, too."""
        of = self.of
        made = of.memory()
        feed(made, (of.budget // (EVERY * of.model.layout.tokens) + 1) * EVERY)
        return made

    @property
    def new_reader(self) -> NewReader:
        """The kernels."""
        if not self.on_gpu and "TRITON_INTERPRET" not in os.environ:
            raise Skipped("without a GPU kernels run where TRITON_INTERPRET=1 is set")
        found = reader_for(self.of.model)
        if found is None:
            raise Skipped("there are no kernels for this model here")
        return found

    @cached_property
    def passes(self) -> QuestionPass:
        """Recorded ones on a GPU; elsewhere interpreted kernels compute the same."""
        passes = QuestionPass(self.of.model, self._reach, self.new_reader)
        if self.on_gpu:
            passes.prepare(self.of.model.prefix())
        return passes

    @cached_property
    def packed(self) -> QuestionPass:
        """Passes without recordings."""
        return QuestionPass(self.of.model, self._reach, recorded=False)

    @property
    def _reach(self) -> int:
        return self.memory.cache.capacity + _RESERVE

    # -- the stages, in the order in which they run ----------------------------

    def environment(self) -> Facts:
        """What is here."""
        import transformers

        facts: Facts = {
            "device": name_of(self.device),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": sys.version.split()[0],
        }
        if self.on_gpu:
            triton = import_module("triton")  # which has no types
            there = device_of(self.device)
            facts |= {
                "triton": triton.__version__,
                "cuda": torch.version.cuda,
                "capability": torch.cuda.get_device_capability(self.device),
                "free_gib": there.free_bytes() / 2**30,
                "total_gib": there.total_bytes() / 2**30,
            }
        return facts

    def kernels(self) -> Facts:
        """The kernels that read memories, against fp32."""
        heads, new_reader = self._heads, self.new_reader
        full = heads.memory
        cases = [(1, full - 30), (1, 65), (3, full)]
        cases += [(8, full - 30), (18, full - 30), (200, 300)] if self.on_gpu else []
        found = {
            f"{tokens} of {seen}": against_fp32.reading_error(heads, new_reader, tokens, seen)
            for tokens, seen in cases
        }
        return self._near(found)

    def rotation(self) -> Facts:
        """Rotated keys of a whole memory, against fp32."""
        heads = self._heads
        lengths = (heads.memory, heads.memory // 2 + 1)
        return self._near({str(n): against_fp32.rotation_error(heads, n) for n in lengths})

    def frame_attention(self) -> Facts:
        """The attention of new frames, against fp32."""
        heads = self._heads
        frame = 196 if self.on_gpu else 16
        cases = ((frame, heads.memory), (3 * frame, 4 * frame), (1, heads.memory))
        found = {f"{n} of {seen}": against_fp32.causal_error(heads, n, seen) for n, seen in cases}
        return self._near(found)

    def model(self) -> Facts:
        """A model with random weights, and a memory that was compressed."""
        shape, memory = self.of.model.shape, self.memory
        return {
            "layers": shape.layers,
            "tokens_held": memory.cache.video_tokens,
            "memory_mib": memory.device_bytes / 2**20,
            "weights_mib": self.of.decoder_bytes / 2**20,
        }

    def recorded(self) -> Facts:
        """Recorded passes say what packed ones say, and write the same keys."""
        said, keys = self._answer(self.packed)
        its, others = self._answer(self.passes)
        distance = against_fp32.error(others, keys)
        facts = {"packed": said, "recorded": its, "error": distance, "sizes": self.passes.sizes}
        if self.passes.failed or not self.passes.sizes:
            raise Wrong(f"not recorded: passes of {self.passes.failed or 'any'} tokens; {facts}")
        if distance > 3 * self.tolerance:
            raise Wrong(f"the keys differ: {facts}")
        return facts

    def question(self) -> Facts:
        """One question, by times."""
        passes = self.passes if self.on_gpu else self.packed
        cost = questions.cost_of(self.of.model, passes, self.memory, self._rounds)
        return {"ttft_ms": 1e3 * cost.ttft_s, "tpot_ms": 1e3 * cost.tpot_s}

    def compression(self) -> Facts:
        """One compression, by times."""
        usual, last = ingest.compression_s(self.of, self.memory.state())
        return {
            "frame_ms": 1e3 * usual,
            "compression_ms": 1e3 * (last - usual),
            f"share_of_{EVERY}_frames": (last - usual) / (EVERY * usual),
        }

    def frames(self) -> Facts:
        """Frames a second, of some numbers of cameras."""
        return {str(count): self._rate(count) for count in self._cameras}

    def _rate(self, count: int) -> float | str:
        state = self.memory.state()
        memories: list[VideoMemory] = []
        try:
            memories.extend(self.of.restored(state) for _ in range(count))
            return ingest.rate(self.of, memories, 32)
        except torch.OutOfMemoryError as failed:
            return as_text(failed)
        finally:
            for memory in memories:
                memory.close()

    # ----------------------------------------------------------------------------

    @property
    def _heads(self) -> against_fp32.Heads:
        """Those of a 7B model; small ones where kernels are interpreted."""
        heads, kv_heads, dim, memory = (28, 4, 128, 7150) if self.on_gpu else (6, 2, 16, 130)
        dtype = self.dtype if self.on_gpu else torch.float32
        return against_fp32.Heads(heads, kv_heads, dim, 1, memory, dtype, self.device)

    def _near(self, found: dict[str, float]) -> Facts:
        far = {case: distance for case, distance in found.items() if distance > self.tolerance}
        if far:
            raise Wrong(f"off by more than {self.tolerance:g}: {far}")
        return dict(found)

    @torch.inference_mode()
    def _answer(self, passes: QuestionPass) -> tuple[list[int], torch.Tensor]:
        """Tokens, and the keys that they wrote."""
        inputs, said = self.of.model.question(_QUESTION), []
        answer = passes.choice.begin(_QUESTION)
        with self.memory.branch(len(inputs) + _TOKENS) as branch:
            for _ in range(_TOKENS):
                row = branch.row(len(inputs))
                (token,) = passes.tokens([inputs], [row], [answer])
                branch.commit(row)
                said.append(token.id)
                inputs = self.of.model.embed([token.id])
            keys = branch.keys[:, :, : branch.length].to(torch.float32)
        passes.choice.end(answer)
        return said, keys


STAGES: tuple[Callable[[Contact], Facts], ...] = (
    Contact.environment,
    Contact.kernels,
    Contact.rotation,
    Contact.frame_attention,
    Contact.model,
    Contact.recorded,
    Contact.question,
    Contact.compression,
    Contact.frames,
)


def run(name: str, stage: Callable[[], Facts], device: torch.device) -> Facts:
    """One stage's line."""
    began = time.monotonic()
    line: Facts = {"stage": name}
    try:
        facts = stage()
        settle(device)  # what the device finds wrong later belongs to this stage
        line |= {"ok": True, **facts}
    except Skipped as why:
        line |= {"ok": True, "skipped": str(why)}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        line |= {
            "ok": False,
            "error": str(error)[:800] if isinstance(error, Wrong) else as_text(error),
            "at": f"{Path(where.filename).name}:{where.lineno}",
        }
    if not line["ok"]:
        gc.collect()  # what it held is of use to the next stage
    return {**line, "seconds": round(time.monotonic() - began, 2)}


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [stage.__name__ for stage in STAGES]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.device.first_contact", description=__doc__
    )
    parser.add_argument("--shape", choices=[DEMO, *SHAPES], default=DEMO)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--layers", type=int, help="at most so many, for a quick look")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, help="folder for first_contact.jsonl")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages. The exit status: how many failed."""
    options = options_of(arguments)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    device_of(device).enter()
    contact = Contact(options.shape, device, options.layers, options.cameras)
    failed = 0
    for stage in STAGES:
        if stage.__name__ not in options.only:
            continue
        line = run(stage.__name__, partial(stage, contact), device)
        failed += not line["ok"]
        text = json.dumps(line)
        print(text, flush=True)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            with (options.out / "first_contact.jsonl").open("a") as written:
                written.write(text + "\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
