"""The size of the frames that a model takes, so that decoders scale frames before sending them.

Decoders keep a picture's shape: the size is a bound on its pixels. It must not be
below what the model takes, whatever the shape. A checkpoint is read in a process of
its own: reading it takes PyTorch, which `hermes up` itself must not carry for as long
as it runs.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hermes.demo.limits import SIDE

DEMO = "demo"


class UnknownFrameSize(Exception):
    """The folder is no checkpoint that can be used. The message says why."""


_TOKENS, _SIZE = "HERMES_FRAME_TOKENS", "HERMES_MODEL_FRAME_SIZE"
"""The worker's settings that say how large frames are."""

_LARGEST_UNIT = 32
"""Pixels along a side of one token's part of a frame, in the family where it has most."""


def frame_size_of(
    model: str, frame_tokens: int = 0, environ: Mapping[str, str] = os.environ
) -> str:
    """WIDTHxHEIGHT. Empty for a model on the hub, unless it is chosen how large its frames are:
    decoders' own default is enough for the default of all families.

    `frame_tokens`: the most tokens of a frame; 0: as settings in `environ` say. Raises
    `UnknownFrameSize`.
    """
    if model == DEMO:
        if frame_tokens:
            raise UnknownFrameSize("frame_tokens: cannot be chosen for demo: leave it out")
        return f"{SIDE}x{SIDE}"
    size = environ.get(_SIZE)
    if size and frame_tokens:
        raise UnknownFrameSize(f"frame_tokens: cannot be chosen beside {_SIZE}")
    if size:
        return size
    tokens = str(frame_tokens or "") or environ.get(_TOKENS, "")
    chosen = tokens if tokens.isdigit() and int(tokens) else ""
    if not Path(model).is_dir():
        return size_for(int(chosen), _LARGEST_UNIT) if chosen else ""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.frame_size", model, chosen],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["it cannot be read"]
        raise UnknownFrameSize(words[0])
    return done.stdout.strip()


def size_for(tokens: int, unit: int) -> str:
    """A size with room for so many tokens of `unit` x `unit` pixels, in any shape."""
    columns = math.ceil(math.sqrt(tokens * 16 / 9))
    return f"{columns * unit}x{math.ceil(tokens / columns) * unit}"


def _main(model: str, tokens: str) -> int:
    from hermes.errors import HermesError, Unsupported
    from hermes.vlm.frame_sizes import FrameSizes
    from hermes.vlm.preprocess import PatchSettings, PixelSettings

    try:
        pixels = PixelSettings.from_checkpoint(Path(model))
    except (HermesError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    size = f"{pixels.width}x{pixels.height}"
    if tokens:
        try:
            patches = PatchSettings.from_checkpoint(Path(model))
            FrameSizes(patches, frame_tokens=int(tokens))
        except Unsupported:
            print("frame_tokens: cannot be chosen for this model: leave it out", file=sys.stderr)
            return 1
        except HermesError as error:
            print(error, file=sys.stderr)
            return 1
        size = size_for(int(tokens), patches.unit)
    print(size)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(*sys.argv[1:]))
