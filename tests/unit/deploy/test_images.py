"""The images fit the manifests, carry what each service needs, and are pinned."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hermes
from tests.support.dockerfile import (
    ROOT,
    SERVICES,
    base,
    environment,
    last,
    lineage,
    stages,
)

BASE = ROOT / "deploy" / "k8s" / "base"
COMPONENT = ROOT / "deploy" / "k8s" / "components" / "notifier"
every = pytest.mark.parametrize("service", SERVICES)


def pod(service: str) -> Any:
    """The pods' spec in the base's manifest, or the component's."""
    folder = COMPONENT if service == "notifier" else BASE
    kinds = yaml.safe_load_all((folder / f"{service}.yaml").read_text())
    return next(one for one in kinds if one["kind"] in ("Deployment", "StatefulSet"))["spec"][
        "template"
    ]["spec"]


@every
def test_an_image_is_what_its_manifest_runs(service: str) -> None:
    spec = pod(service)
    (container,) = spec["containers"]
    assert container["image"] == f"hermes-live-{service}"
    assert json.loads(last(service, "CMD")) == container["command"]
    user, group = (spec["securityContext"][name] for name in ("runAsUser", "runAsGroup"))
    assert last(service, "USER") == f"{user}:{group}"
    assert set(last(service, "EXPOSE").split()) == {
        str(port["containerPort"]) for port in container["ports"]
    }
    set_there = {one["name"]: one.get("value") for one in container["env"]}
    for name, value in environment(service).items():
        if name in set_there:
            assert value == set_there[name], name


@every
def test_what_a_manifest_mounts_to_write_belongs_to_the_user(service: str) -> None:
    (container,) = pod(service)["containers"]
    (made,) = (line for line in stages()["service"].all("RUN") if "chown" in line)
    owned = set(made.partition("chown 10001:10001 ")[2].split())
    written = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert written <= owned | {"/tmp"}


def test_tags_are_the_version() -> None:
    images = [
        image
        for folder in (BASE, COMPONENT)
        for image in yaml.safe_load((folder / "kustomization.yaml").read_text())["images"]
    ]
    tags = {one["name"]: one["newTag"] for one in images if one["name"].startswith("hermes-live")}
    worker = tags.pop("hermes-live-worker")
    others = [f"hermes-live-{service}" for service in SERVICES if service != "worker"]
    assert tags == dict.fromkeys(others, "0.1.0")
    assert worker == "0.1.0-cuda"
    cpu = yaml.safe_load((BASE.parent / "overlays/cpu-dev/kustomization.yaml").read_text())
    assert cpu["images"] == [{"name": "hermes-live-worker", "newTag": "0.1.0"}]
    assert hermes.__version__ == "0.1.0"


def test_the_base_is_a_version_of_python() -> None:
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", base())
    assert {stage.base for stage in stages().values()} <= {"${BASE}", *stages()}


@every
def test_build_tools_are_not_in_the_image(service: str) -> None:
    """An image copies results; it runs neither pip nor a compiler."""
    for stage in lineage(service):
        for line in stage.all("RUN"):
            assert "pip" not in line.split()
        for line in stage.all("COPY"):
            assert line.startswith("--from="), line
    installed = [line for stage in lineage(service) for line in stage.all("RUN") if "apt" in line]
    assert len(installed) == (service == "worker")
    assert all(line.startswith("if python -c") for line in installed)  # torch's CUDA build alone


def test_every_file_that_is_copied_is_let_in() -> None:
    let_in = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for stage in stages().values()
        for line in stage.all("COPY")
        if not line.startswith("--from=")
        for source in line.split()[:-1]
    }
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)


@every
def test_everything_that_an_image_installs_is_pinned(service: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    needed = set(needs("hermes-live", (service,))) - {"hermes-live"}
    assert "protobuf" in needed
    assert ("torch" in needed) == (service == "worker")
    assert needed <= pinned, f"not in constraints.txt: {', '.join(sorted(needed - pinned))}"


def needs(
    name: str, extras: tuple[str, ...], seen: set[tuple[str, str]] | None = None
) -> Iterator[str]:
    """Everything that a package with these extras brings here."""
    seen = set() if seen is None else seen
    for text in requires(name) or []:
        found = Requirement(text)
        wanted = any(
            found.marker is None or found.marker.evaluate({"extra": extra})
            for extra in ("", *extras)
        )
        key = canonicalize_name(found.name), ",".join(sorted(found.extras))
        if wanted and key not in seen:
            seen.add(key)
            yield key[0]
            yield from needs(found.name, tuple(found.extras), seen)


def test_the_build_script_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/bash", ROOT / "deploy" / "images" / "build"],
        env={"PATH": f"{tmp_path}:{bare_path(tmp_path)}"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode != 0
    assert "no podman, docker or buildah is installed" in done.stderr


def bare_path(folder: Path) -> str:
    (folder / "dirname").symlink_to("/usr/bin/dirname")
    return str(folder)
