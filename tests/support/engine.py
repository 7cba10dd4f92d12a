"""A container engine, where there is one that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.dockerfile import ROOT, base

TAG = "test"


@dataclass(frozen=True, slots=True)
class Engine:
    """podman or docker."""

    program: str

    def run(self, *arguments: str, timeout: float = 60) -> str:
        """What a command of the engine prints. Fails the test if it fails."""
        done = subprocess.run(
            [self.program, *arguments], capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr[-4000:]}"
        return done.stdout

    def fails(self, *arguments: str) -> bool:
        """Whether a command of the engine fails, or takes longer than five minutes."""
        command = [self.program, *arguments]
        try:
            return subprocess.run(command, capture_output=True, timeout=300).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def build(self, service: str, flags: str = "") -> str:
        """The image of a service, built as `make images` does; skips if its base is not to be had.

        PIP_CONF and IMAGE_FLAGS are those of deploy/images/build.
        """
        if self.fails("image", "inspect", base()) and self.fails("pull", "--quiet", base()):
            pytest.skip(f"{base()} is not here and cannot be pulled")
        more = os.environ.get("IMAGE_FLAGS", "")
        done = subprocess.run(
            [ROOT / "deploy" / "images" / "build", service],
            env={
                **os.environ,
                "ENGINE": self.program,
                "TAG": TAG,
                "IMAGE_FLAGS": f"{more} {flags}",
            },
            capture_output=True,
            text=True,
            timeout=1800,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return f"hermes-live-{service}:{TAG}"

    @contextmanager
    def service(self, image: str, environment: dict[str, str], *flags: str) -> Iterator[str]:
        """A container that runs as a pod of ours would: its name."""
        name = f"hermes-test-{uuid.uuid4().hex[:8]}"
        variables = [f"--env={key}={value}" for key, value in environment.items()]
        self.run(
            *("run", "--detach", f"--name={name}", "--network=host", "--read-only"),
            *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"),
            *(*variables, *flags, image),
        )
        try:
            yield name
        finally:
            self.run("rm", "--force", "--volumes", name)

    def ended_with(self, name: str) -> int:
        """The exit status after SIGTERM."""
        self.run("stop", "--time=30", name)
        return int(self.run("inspect", "--format={{.State.ExitCode}}", name))

    def logs(self, name: str) -> str:
        """What it wrote to standard error."""
        done = subprocess.run([self.program, "logs", name], capture_output=True, text=True)
        return done.stderr + done.stdout


def need_engine() -> Engine:
    """An engine that answers; skips the test, with the reason, if there is none."""
    for program in ("podman", "docker"):
        if shutil.which(program) is None:
            continue
        with_engine = subprocess.run([program, "info"], capture_output=True, timeout=60)
        if with_engine.returncode == 0:
            return Engine(program)
    pytest.skip("no container engine answers (podman or docker)")


def wait_for_file(engine: Engine, name: str, path: str, within_s: float) -> str:
    """The text of a file in a container, as soon as it is there."""
    deadline = time.monotonic() + within_s
    while engine.fails("exec", name, "test", "-s", path):
        assert time.monotonic() < deadline, engine.logs(name)[-4000:]
        time.sleep(0.2)
    return engine.run("exec", name, "cat", path)
