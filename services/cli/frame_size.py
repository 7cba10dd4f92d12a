"""The size of the frames that a model takes, so that decoders scale frames before sending them.

A checkpoint is read in a process of its own: reading it takes PyTorch, which `hermes up` itself
must not carry for as long as it runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hermes.demo.limits import SIDE

DEMO = "demo"


class UnknownFrameSize(Exception):
    """The folder is no checkpoint that can be used. The message says why."""


def frame_size_of(model: str) -> str:
    """WIDTHxHEIGHT; empty for a model that is on the hub. Raises `UnknownFrameSize`."""
    if model == DEMO:
        return f"{SIDE}x{SIDE}"
    if not Path(model).is_dir():
        return ""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.frame_size", model],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["it cannot be read"]
        raise UnknownFrameSize(words[0])
    return done.stdout.strip()


def _main(model: str) -> int:
    from hermes.errors import HermesError
    from hermes.vlm.preprocess import PixelSettings

    try:
        pixels = PixelSettings.from_checkpoint(Path(model))
    except (HermesError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{pixels.width}x{pixels.height}")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1]))
