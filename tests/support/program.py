"""A program that is run in this process, which is quicker than an interpreter of its own."""

from __future__ import annotations

import io
import os
import runpy
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout

import pytest


def run(module: str, *arguments: str | bytes) -> subprocess.CompletedProcess[str]:
    """What `python -m module arguments` would say, and its exit code."""
    words = [os.fsdecode(argument) for argument in arguments]
    said, told = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "argv", [module, *words])
        warnings.simplefilter("ignore", RuntimeWarning)  # this process has imported it already
        with redirect_stdout(said), redirect_stderr(told):
            try:
                runpy.run_module(module, run_name="__main__")
            except SystemExit as ended:
                code = ended.code or 0
    assert isinstance(code, int), code
    texts = []
    for stream in (said, told):
        stream.seek(0)
        texts.append(stream.read())
    return subprocess.CompletedProcess([module, *words], code, *texts)
