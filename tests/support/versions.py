"""An earlier version of the code, beside this one: its services are processes of its own files."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.cli import redis_server
from services.cli.processes import Pipeline
from tests.support.fleet import SETTINGS, Fleet

ROOT = Path(__file__).parents[2]
PACKAGES = ("hermes", "services")
"""What services run on. Generated code of the protos is committed with them."""


@dataclass(frozen=True, slots=True)
class Version:
    """The folder in which a version's packages lie."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """With it an interpreter finds this version's packages, and no other's."""
        # Without PYTHONSAFEPATH, `python -m` looks into the working directory first.
        return {"PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}

    def run(self, *arguments: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """What this version's `python arguments` says."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def hermes(self, *words: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """What this version's `hermes words` says."""
        return self.run("-m", "services.cli.main", *words, timeout_s=timeout_s)


NOW = Version(ROOT)
"""The version under test."""


def exported(commit: str, folder: Path) -> Version:
    """The packages of a commit, unpacked into `folder`. Skips where git does not have it."""
    try:
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", commit, *PACKAGES],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        pytest.skip("git is not installed: it has the earlier version")
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode().strip()
        pytest.skip(
            f"git has no commit {commit} (in a shallow clone: git fetch --unshallow): {why}"
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return Version(folder)


@contextmanager
def side_by_side(folder: Path, *versions: Version, **settings: str) -> Iterator[list[Fleet]]:
    """A fleet of each version, on one Redis, one folder of checkpoints and one of videos."""
    pipelines = []
    for number, version in enumerate(versions):
        own = folder / f"version-{number}"
        own.mkdir()
        pipelines.append(Pipeline(own, SETTINGS | settings | version.environment))
    server = redis_server.start(folder / "redis")
    fleets: list[Fleet] = []
    try:
        for pipeline in pipelines:
            pipeline.redis = redis_server.LocalRedis(server.url, "the test's")
            fleet = Fleet(pipeline)
            fleet.store, fleet.media = folder / "store", folder / "media"
            fleets.append(fleet)
        yield fleets
    finally:
        for fleet in fleets:
            fleet.client.close()
            fleet.pipeline.stop()
        server.stop()
