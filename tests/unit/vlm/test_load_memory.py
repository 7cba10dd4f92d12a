"""Loading takes the memory of the weights once, and none where they can be read in place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support import tiny_hub

FAMILY = "llava_onevision"
PROGRAM = """
import re, sys, threading
import torch
from hermes.vlm import load
torch.set_num_threads(1)
def taken():
    status = open("/proc/self/status").read()
    return int(re.search(r"RssAnon:\\s+(\\d+)", status)[1]) * 1024
load(sys.argv[2], progress=lambda step: None)  # what is imported and set up once
before, most = taken(), 0
def noted(step):
    global most
    most = max(most, taken())
model = load(sys.argv[1], dtype=getattr(torch, sys.argv[3]), progress=noted)
print(max(most, taken()) - before)
"""


def large(folder: Path) -> int:
    """A sharded checkpoint in bfloat16. Returns the bytes of its weights."""
    from transformers import AutoModelForImageTextToText

    shutil.copytree(tiny_hub.folder(FAMILY), folder)
    for old in folder.glob("model*"):
        old.unlink()
    made: Any = AutoModelForImageTextToText.from_pretrained(tiny_hub.folder(FAMILY)).config
    made.text_config.hidden_size, made.text_config.intermediate_size = 1024, 4096
    made.text_config.num_attention_heads = 16
    with torch.random.fork_rng():
        model: Any = AutoModelForImageTextToText.from_config(made, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="40MB")
    return 2 * int(sum(parameter.numel() for parameter in model.parameters()))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_there_is_no_second_copy_of_the_weights(tmp_path: Path) -> None:
    size = large(tmp_path / "model")
    assert size > 100e6
    taken = {}
    for dtype in ("bfloat16", "float32"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, tmp_path / "model", tiny_hub.folder(FAMILY), dtype],
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr
        taken[dtype] = int(done.stdout)
    assert taken["bfloat16"] < 0.3 * size, "as they are stored, they stay in their files"
    assert taken["float32"] < 1.3 * 2 * size
