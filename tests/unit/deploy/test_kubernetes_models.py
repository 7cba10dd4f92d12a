"""A Job fetches a model into the claim from which all workers then read it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from hermes.vlm.model_folder import ModelFolder
from tests.support.manifests import (
    COMPONENTS,
    KUBECTL,
    MANIFESTS,
    VERSIONS,
    Object,
    Variant,
    container,
    kustomization,
    kustomize,
    labels,
    pod,
    references,
)
from tests.support.policies import Party, arrows
from tests.support.run_folder import run_folder

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

NAME = "hermes-model-download"
REVISION = {"REVISION": "your-commit"}


@cache
def found() -> dict[str, Object]:
    """What the README's kustomization for a model makes, by kind."""
    folder = (run_folder() / "model").resolve()
    folder.mkdir()
    whole = kustomization("models") | {
        "resources": [os.path.relpath(MANIFESTS / "models", folder)],
        "components": [os.path.relpath(MANIFESTS / "components/pull-secret", folder)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole))
    return {one["kind"]: one for one in yaml.safe_load_all(kustomize(folder, KUBECTL))}


def test_the_job_fits_the_schemas_and_its_user_says_which_model() -> None:
    assert set(found()) == {"ServiceAccount", "ConfigMap", "Job"}
    for one in found().values():
        assert one["metadata"]["namespace"] == "hermes-live"
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)
    assert REVISION.items() <= found()["ConfigMap"]["data"].items()
    named = {(kind, name) for kind, name, _ in references(pod(found()["Job"]) | PRIORITY)}
    assert ("ConfigMap", found()["ConfigMap"]["metadata"]["name"]) in named
    assert ("ServiceAccount", found()["ServiceAccount"]["metadata"]["name"]) in named
    assert found()["ServiceAccount"]["imagePullSecrets"] == [{"name": "hermes-registry"}]


PRIORITY = {"priorityClassName": ""}
"""It has none: nothing waits for it but its user."""


def test_workers_read_what_it_writes_and_may_do_no_more_than_they() -> None:
    worker = Variant("cpu-dev", ("models-claim",)).workloads["hermes-worker"]
    claims = [
        next(volume for volume in pod(one)["volumes"] if volume["name"] == "models")
        for one in (worker, found()["Job"])
    ]
    names = {one["persistentVolumeClaim"]["claimName"] for one in claims}
    assert names == {"hermes-models"}
    for one, read_only in ((worker, True), (found()["Job"], False)):
        mounts = {mount["name"]: mount for mount in container(one)["volumeMounts"]}
        assert mounts["models"]["mountPath"] == "/models"
        assert mounts["models"].get("readOnly", False) is read_only
    assert pod(worker)["securityContext"] == pod(found()["Job"])["securityContext"]
    assert container(worker)["securityContext"] == container(found()["Job"])["securityContext"]
    asked = container(found()["Job"])["env"]
    assert {"name": "HF_HOME", "value": "/models"} in asked
    assert {"name": "HF_HOME", "value": "/models"} in container(worker)["env"]


def test_network_policies_let_it_reach_the_hub_and_nothing_else() -> None:
    policies = Variant("h100", COMPONENTS).of_kind("NetworkPolicy")
    job = Party("job", tuple(labels(found()["Job"]).items()))
    others = [
        Party("internet", address="203.0.113.9"),
        Party("metadata", address="169.254.169.254"),
        Party("redis", address="10.20.30.40"),
    ]
    let = arrows(policies, [job, *others])
    assert let == {("job", to, "TCP", 443) for to in ("internet", "redis")}


def test_its_command_finds_the_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, flag, code = container(found()["Job"])["command"]
    assert (program, flag) == ("python", "-c")
    demo = ModelFolder.find("demo").path
    monkeypatch.setenv("MODEL", str(demo))
    monkeypatch.setenv("REVISION", "")
    exec(compile(code, "command", "exec"), {})
    assert Path(capsys.readouterr().out.strip()) == demo
