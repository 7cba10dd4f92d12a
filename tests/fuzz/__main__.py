"""`python -m tests.fuzz [--seconds 60] [--seed 0] [TARGET ...]`; 1 if a fault was found."""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
from collections.abc import Sequence
from random import Random

import structlog

from tests.fuzz.damage import damaged
from tests.fuzz.target import CASES, GROWTH_BYTES, Fault, Target, attempt, peak_bytes
from tests.fuzz.targets import TARGETS

CORPUS = 2000
"""Inputs that are damaged further, at most."""
WARM = 1000
"""Inputs after which memory should grow no more."""
LONG_BYTES = 32 << 10
"""An input longer than this, and than every good one, is tried but not damaged further: it would
take the time of a hundred others."""


def fuzz(target: Target, seconds: float, seed: int) -> list[Fault]:
    """Throw damaged inputs at a target, keep what is a fault, and say what happened."""
    random = Random(seed)
    corpus = [*target.seeds(), *(case.read_bytes() for case in target.cases)]
    for data in target.seeds():
        if isinstance(fault := attempt(target, data), Fault):
            raise SystemExit(f"{target.name}: a good input is a fault\n{fault.text}")
    longest = max(LONG_BYTES, *map(len, corpus))
    answers: set[str] = set()
    found: dict[tuple[str, str], Fault] = {}
    began, tried, base = time.monotonic(), 0, peak_bytes()
    while time.monotonic() - began < seconds:
        data = _next(target, corpus, random)
        answer = attempt(target, data)
        tried += 1
        if tried <= WARM:
            base = peak_bytes()
        elif peak_bytes() - base > GROWTH_BYTES:
            grown = f"{(peak_bytes() - base) >> 20} MiB more than after {WARM} inputs"
            answer, base = Fault("Growth", target.name, grown), peak_bytes()
        if isinstance(answer, Fault):
            if (key := (answer.kind, answer.where)) not in found:
                found[key] = answer
                print(f"{target.name}: {answer.text}\n  kept as {_keep(target, answer, data)}")
        elif answer not in answers and len(corpus) < CORPUS and len(data) <= longest:
            answers.add(answer)
            corpus.append(data)
    print(
        f"{target.name}: {tried} inputs in {time.monotonic() - began:.0f} s,"
        f" answered in {len(answers)} ways, {len(found)} faults, peak {peak_bytes() >> 20} MiB",
        flush=True,
    )
    return list(found.values())


def _next(target: Target, corpus: Sequence[bytes], random: Random) -> bytes:
    data = random.choice(corpus)
    if target.edits and random.random() < 0.5:
        data = random.choice(target.edits)(data, random)
        if random.random() < 0.8:
            return data
    return damaged(data, random.choice(corpus), target.words, random)


def _keep(target: Target, fault: Fault, data: bytes) -> str:
    folder = CASES / target.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fault.kind}-{hashlib.sha256(data).hexdigest()[:8]}"
    path.write_bytes(data)
    return str(path.relative_to(CASES.parents[2]))


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz the targets named, or all, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    # What is said about an input is of no interest here, only what is done about it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    names = options.targets or list(TARGETS)
    faults = [
        fault for name in names for fault in fuzz(TARGETS[name], options.seconds, options.seed)
    ]
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
