"""The Helm chart makes the objects that kustomize makes, and what belongs to them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.support.chart import (
    ALL,
    PRESETS,
    VALUES,
    differences,
    everything,
    found,
    is_hook,
    is_of_helm_alone,
    normal,
    rendered,
    together,
)
from tests.support.manifests import (
    COMPONENTS,
    KUBECTL,
    MANIFESTS,
    VERSIONS,
    Object,
    Variant,
    cluster,
    container,
    kustomize,
    labels,
    readme,
)
from tests.support.policies import Party, arrows

needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


def told(ours: list[Object], theirs: list[Object]) -> list[str]:
    """All in which the chart's objects are not kustomize's, but for what `normal` leaves out."""
    one, other = normal([made for made in ours if not is_of_helm_alone(made)]), normal(theirs)
    extra = [f"{key}: {'chart' if key in one else 'kustomize'} alone" for key in {*one} ^ {*other}]
    return extra + [
        line
        for key in one.keys() & other.keys()
        for line in differences(one[key], other[key], "/".join(key))
    ]


@needs_kubectl
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_makes_the_objects_of_its_overlay(preset: str) -> None:
    if preset == "gpu":
        theirs = list(yaml.safe_load_all(kustomize(MANIFESTS / "base", KUBECTL)))
    else:
        theirs = Variant(preset).objects
    assert told(rendered({"preset": preset}), theirs) == []


@needs_kubectl
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_value_does_what_its_component_does(component: str) -> None:
    ours = rendered(together({"preset": "cpu-dev"}, VALUES[component]))
    assert told(ours, Variant("cpu-dev", (component,)).objects) == []


@needs_kubectl
def test_values_together_do_what_components_do_together() -> None:
    assert told(rendered(everything()), Variant("h100", ALL).objects) == []


@needs_kubectl
def test_what_belongs_to_the_cluster_is_made_only_if_asked_for_and_stays() -> None:
    without = {one["kind"] for one in rendered(everything())}
    assert not {"Namespace", "PriorityClass", "Secret"} & without
    made = [
        one
        for one in rendered({"priorityClasses": {"create": True}})
        if one["kind"] == "PriorityClass"
    ]
    theirs = [one for one in cluster() if one["kind"] == "PriorityClass"]
    for one in made:
        assert one["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert told(made, theirs) == []


def test_the_claim_for_memories_stays_after_an_uninstall() -> None:
    objects = rendered({"checkpoints": {"store": "volume", "volume": {"storageClassName": "nfs"}}})
    claim = found(objects, "PersistentVolumeClaim", "hermes-checkpoints")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    claims = (one for one in readme() if one.get("kind") == "PersistentVolumeClaim")
    shown = next(one for one in claims if one["metadata"]["name"] == "hermes-checkpoints")
    shown["spec"]["storageClassName"] = "nfs"
    assert claim["spec"] == shown["spec"]


@needs_kubectl
def test_the_model_is_fetched_by_the_job_of_the_manifests() -> None:
    theirs = list(yaml.safe_load_all((MANIFESTS / "models" / "job.yaml").read_text()))[1]
    ours = found(
        rendered(together({"modelDownload": {"enabled": True}}, VALUES["models-claim"])),
        "Job",
        "hermes-model-download",
    )
    assert ours["metadata"].pop("annotations")["helm.sh/hook"] == "pre-install,pre-upgrade"
    lines = list(differences(ours, theirs))
    # Before an install there is no ConfigMap and no account; kustomize adds the namespace later.
    expected = r"\.(metadata\.(labels|namespace)|labels|serviceAccountName|envFrom|env|image)\b"
    assert all(re.search(expected, line) for line in lines), lines
    given = {one["name"]: one["value"] for one in container(ours)["env"]}
    model = found(rendered(), "ConfigMap", "hermes-worker")["data"]["HERMES_MODEL"]
    assert (given["MODEL"], given["REVISION"]) == (model, "")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fits_the_schemas(preset: str) -> None:
    values = together(everything(preset), {"modelDownload": {"enabled": True}})
    for one in rendered(values):
        if one["apiVersion"].partition("/")[0] in ("v1", "apps", "batch", "policy"):
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)


def test_the_test_asks_a_gateway_as_a_client_does() -> None:
    values = together(everything(), {"test": {"camera": "lobby", "tokenSecret": "a-token"}})
    objects = rendered(values)
    asked = found(objects, "Pod", "hermes-question")
    assert asked["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (holder,) = asked["spec"]["containers"]
    gateway = container(found(objects, "Deployment", "hermes-gateway"))
    assert holder["image"] == gateway["image"]
    given = {one["name"]: one.get("value") for one in holder["env"]}
    assert given["HERMES_GATEWAY"] == "hermes-gateway:50051"
    assert given["CAMERA"] == "lobby"
    assert given["HERMES_TOKEN"] is None  # of a Secret
    assert given["HERMES_GATEWAY_CA_FILE"] == "/etc/hermes/tls/ca.crt"
    for version in VERSIONS:
        kubernetes_validate.validate(asked, version, strict=True)


@pytest.mark.parametrize(
    ("camera", "known", "asked"),
    [("yard", "", "yard"), ("", "lobby\nyard\n", "lobby"), ("", "", "")],
    ids=["named", "the first", "none"],
)
def test_the_test_asks_a_camera_that_there_is(
    camera: str, known: str, asked: str, tmp_path: Path
) -> None:
    (holder,) = found(rendered(), "Pod", "hermes-question")["spec"]["containers"]
    shell, flags, text = holder["command"]
    hermes = tmp_path / "hermes"
    hermes.write_text(
        f"#!/bin/sh\nif [ $1 = camera ]; then printf '{known}'; else echo \"$@\"; fi\n"
    )
    hermes.chmod(0o755)
    given = {one["name"]: one.get("value", "") for one in holder["env"]} | {"CAMERA": camera}
    done = subprocess.run(
        [shell, flags, text.replace("/tmp/cameras", str(tmp_path / "cameras"))],
        env=given | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if asked:
        question = given["QUESTION"]
        assert done.stdout.splitlines()[1] == f"ask {asked} {question} --timeout 120"
    else:
        assert done.returncode == 1
        assert "hermes camera add" in done.stderr


def test_network_policies_let_the_test_reach_a_gateway_and_no_more() -> None:
    objects = rendered(VALUES["network-policies"])
    policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
    asked = found(objects, "Pod", "hermes-question")["metadata"]["labels"]
    gateway = labels(found(objects, "Deployment", "hermes-gateway"))
    parties = [Party("test", tuple(asked.items())), Party("gateway", tuple(gateway.items()))]
    let = arrows(policies, parties)
    assert let == {("test", "gateway", "TCP", 50051)}
    without = [one for one in policies if not is_of_helm_alone(one)]
    assert arrows(without, parties) == set()


def test_only_pods_are_hooks_of_the_test() -> None:
    """`helm test --logs` asks for the log of each, and fails if one is no pod."""
    tests = [one for one in rendered(everything()) if is_hook(one)]
    assert [one["kind"] for one in tests] == ["Pod"]
