"""What a user sets counts, with every version of kubectl."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.dockerfile import SERVICES as IMAGES
from tests.support.manifests import (
    COMPONENTS,
    KUBECTL,
    MANIFESTS,
    NOTIFIER,
    OVERLAYS,
    ROOT,
    SERVICES,
    SETTINGS,
    WEB,
    Object,
    Variant,
    container,
    kubectls,
    kustomization,
    kustomize,
    pod,
    readme,
    references,
    shown_with,
)

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


ENGINE = f"""#!/bin/sh
if [ "$1" = push ]; then
  echo sha256:{"1" * 64} >"$3"
  echo "$4" >>"$(dirname "$0")/pushed"
fi
"""


@dataclass(frozen=True, slots=True)
class Given(Variant):
    """What some kubectl rendered."""

    given: tuple[Object, ...] = ()

    @property
    def objects(self) -> list[Object]:
        return list(self.given)


def example() -> Object:
    """The kustomization of the README, with the patches that it shows further down."""
    patched = patches("GRPCRoute")["patches"] + patches("PodMonitor")["patches"]
    return kustomization("overlays") | {"patches": patched}


def patches(kind: str) -> Object:
    """The patches that it shows for objects of a kind."""
    shown = (one for one in readme() if "patches" in one)
    return next(one for one in shown if kind in one["patches"][0]["target"]["kind"])


def rendered(kubectl: str, given: Object, folder: Path, images: Path) -> Given:
    """The kustomization in a folder beside a checkout."""
    folder = folder.resolve()
    shutil.copytree(images, folder / "images")
    (folder / "redis.env").write_text("url=redis://a-redis\npassword=secret\n")
    whole = dict(given)
    for field in ("resources", "components"):
        whole[field] = [
            os.path.relpath(MANIFESTS / path.partition("deploy/k8s/")[2], folder)
            if "deploy/k8s" in path
            else path
            for path in given[field]
        ]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole))
    objects = yaml.load_all(
        kustomize(folder, kubectl), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return Given("h100", COMPONENTS, tuple(objects))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The component that `make images` writes, with an engine that does nothing."""
    folder = tmp_path_factory.mktemp("images")
    engine = folder / "podman"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    made = {"REGISTRY": "images.example.com/team", "DEVICE": "cuda", "PUSH": "1"}
    subprocess.run(
        [ROOT / "deploy/images/build"],
        env={**os.environ, "ENGINE": str(engine), "IMAGES": str(folder / "images"), **made},
        check=True,
        timeout=60,
    )
    pushed = (folder / "pushed").read_text().split()
    names = [f"hermes-live-{name}" for name in IMAGES]
    tags = [f"{name}:0.1.0{'-cuda' if name.endswith('worker') else ''}" for name in names]
    assert pushed == [f"images.example.com/team/{tag}" for tag in tags]
    values = yaml.safe_load((folder / "images" / "values.yaml").read_text())["images"]
    assert values == {
        "registry": made["REGISTRY"],
        "tag": "0.1.0",
        "digests": dict.fromkeys(IMAGES, f"sha256:{'1' * 64}"),
    }
    return folder / "images"


def set_by(given: Object) -> Iterator[tuple[str, str, str]]:
    """Workload, name and value of every setting in a kustomization."""
    for one in given["configMapGenerator"]:
        for literal in one["literals"]:
            name, _, value = literal.partition("=")
            yield one["name"].removesuffix("-settings"), name, value


kubectl_versions = pytest.mark.parametrize("kubectl", kubectls(), ids=lambda path: Path(path).name)


@kubectl_versions
def test_the_readmes_kustomization_gives_its_users_settings(
    kubectl: str, tmp_path: Path, images: Path
) -> None:
    found = rendered(kubectl, example() | shown_with("secretGenerator"), tmp_path, images)
    settings = list(set_by(example()))
    assert ("hermes-gateway", "HERMES_JWT_AUDIENCE", "your-gateway") in settings
    for workload, name, value in settings:
        assert found.environment(workload)[name] == value
    (route,) = found.of_kind("GRPCRoute")
    (over_http,) = found.of_kind("HTTPRoute")
    ingresses = found.of_kind("Ingress")
    assert route["spec"]["hostnames"] == ["hermes.example.com"]
    assert [one["name"] for one in route["spec"]["parentRefs"]] == ["your-gateway"]
    assert over_http["spec"]["hostnames"] == ["hermes-web.example.com"]
    assert over_http["spec"]["parentRefs"] == route["spec"]["parentRefs"]
    hosts = {one["host"] for ingress in ingresses for one in ingress["spec"]["rules"]}
    assert hosts == {"hermes.example.com", "hermes-web.example.com"}
    for one in found.of_kind("PodMonitor", "PrometheusRule"):
        assert one["metadata"]["labels"]["release"] == "your-release"
    for one in (route, over_http, *ingresses):
        assert "invalid" not in yaml.safe_dump(one)
    (secret,) = (one["metadata"]["name"] for one in found.of_kind("Secret"))
    assert re.fullmatch(r"hermes-redis-\w{10}", secret)
    for name in (*SERVICES, NOTIFIER):
        image = container(found.workloads[name])["image"]
        product = name.replace("hermes", "hermes-live")
        assert image == f"images.example.com/team/{product}@sha256:{'1' * 64}"
        if name == WEB:
            continue
        named = [one for _, one, _ in references(pod(found.workloads[name]))]
        assert secret in named  # so that another password is another pod
        assert "hermes-redis" not in named


@kubectl_versions
def test_a_user_may_set_all_that_overlays_and_components_set(
    kubectl: str, tmp_path: Path, images: Path
) -> None:
    own = {
        workload: {
            name: f"{name} of mine"
            for config_map in Variant("h100", COMPONENTS).of_kind("ConfigMap")
            if config_map["metadata"]["name"].startswith(f"{workload}-")
            for name in config_map.get("data", {})
        }
        for workload in (*SERVICES, NOTIFIER)
    }
    assert "HERMES_REFLECTION" in own["hermes-gateway"]
    assert "HERMES_REDIS_USERNAME" in own["hermes-notifier"]
    assert "HERMES_MAX_CAMERAS" in own["hermes-worker"]
    generators = [
        {
            "name": f"{workload}-settings",
            "behavior": "merge",
            "literals": [f"{name}={value}" for name, value in given.items()],
        }
        for workload, given in own.items()
    ]
    found = rendered(kubectl, example() | {"configMapGenerator": generators}, tmp_path, images)
    for workload, given in own.items():
        assert given.items() <= found.environment(workload).items()


@kubectl_versions
def test_without_its_settings_a_component_has_none_of_its_own(
    kubectl: str, tmp_path: Path, images: Path
) -> None:
    """The pods wait for a key that is not there; no bucket and no issuer is made up."""
    whole = {key: value for key, value in example().items() if key != "configMapGenerator"}
    found = rendered(kubectl, whole, tmp_path, images)
    for workload, name, _value in set_by(example()):
        maps = {one["metadata"]["name"]: one.get("data", {}) for one in found.of_kind("ConfigMap")}
        (variable,) = (
            one for one in container(found.workloads[workload])["env"] if one["name"] == name
        )
        wanted = variable["valueFrom"]["configMapKeyRef"]
        assert not wanted.get("optional", False)
        assert wanted["key"] == name
        assert name not in maps[wanted["name"]]
        assert not any(name in data for data in maps.values())


@kubectl_versions
def test_the_readmes_patches_ask_for_a_slice_of_a_gpu(
    kubectl: str, tmp_path: Path, images: Path
) -> None:
    base = {"resources": ["../deploy/k8s/base"], "components": ["./images"]}
    found = rendered(kubectl, base | patches("StatefulSet"), tmp_path, images)
    worker = found.workloads["hermes-worker"]
    for asked in container(worker)["resources"].values():
        assert {name for name in asked if "nvidia" in name} == {"nvidia.com/mig-3g.40gb"}
    assert "nvidia.com/gpu.product" in pod(worker)["nodeSelector"]


def test_only_users_write_into_the_settings() -> None:
    of_users: dict[str, dict[str, str]] = {f"{name}-settings": {} for name in (*SERVICES, NOTIFIER)}
    for variant in map(Variant, OVERLAYS):
        assert settings_of(variant) == of_users
    for workload, given in SETTINGS.values():
        of_users[f"{workload}-settings"] |= given
    assert settings_of(Variant("h100", COMPONENTS)) == of_users


def settings_of(variant: Variant) -> dict[str, dict[str, str]]:
    """What is in the ConfigMaps of users' settings."""
    maps = {
        one["metadata"]["name"].rpartition("-")[0]: one.get("data", {})
        for one in variant.of_kind("ConfigMap")
    }
    return {name: data for name, data in maps.items() if name.endswith("-settings")}
