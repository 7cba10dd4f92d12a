"""The Kubernetes manifests as kubectl renders them, and what their parts mean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.support.run_folder import made_once

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy" / "k8s"
OVERLAYS = ("a100", "h100", "a100-40", "l40s", "h200", "cpu-dev")
# In the order in which deploy/k8s/README.md says to list them.
COMPONENTS = (
    "notifier",
    "network-policies",
    "ingress",
    "load-balancer",
    "gateway-api",
    "tls",
    "redis-acl",
    "tokens",
    "jwt",
    "external-redis",
    "checkpoints-s3",
    "checkpoints-volume",
    "monitoring",
    "keda",
    "runtime-class",
    "openshift",
    "models-claim",
    "pull-secret",
    "one-node",
)
SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    "jwt": (
        "hermes-gateway",
        {
            "HERMES_JWT_JWKS": "https://issuer.example.com/.well-known/jwks.json",
            "HERMES_JWT_ISSUER": "https://issuer.example.com",
            "HERMES_JWT_AUDIENCE": "a-gateway",
        },
    ),
    "checkpoints-s3": ("hermes-worker", {"HERMES_CHECKPOINT_URL": "s3://a-bucket/hermes"}),
}
"""What these components need from their user: of which workload, and variables."""
SERVICES = ("hermes-decoder", "hermes-worker", "hermes-gateway", "hermes-web")
"""Of the base. The component notifier adds one."""
WEB = "hermes-web"
"""A client of the gateway: the one service that knows no Redis."""
NOTIFIER = "hermes-notifier"
VERSIONS = ("1.32", "1.37")
"""Of Kubernetes: what its schemas are held against."""
KUBECTL = shutil.which("kubectl")
NAME = "app.kubernetes.io/name"


def kubectls() -> list[str]:
    """The oldest and the newest kubectl beside the installed one, or that one alone."""
    if KUBECTL is None:
        return []
    beside = Path(KUBECTL).resolve().parent.glob("kubectl.1.*")
    found = sorted((path for path in beside if path.suffix[1:].isdigit()), key=_minor)
    return [str(found[0]), str(found[-1])] if found else [KUBECTL]


def _minor(kubectl: Path) -> int:
    return int(kubectl.suffix[1:])


Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """An overlay with some components."""

    overlay: str
    components: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.overlay, *self.components))

    @property
    def objects(self) -> list[Object]:
        """Everything that kubectl renders. Other variants share them: to be read, never changed."""
        return _render(self)

    def of_kind(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def names(self, kind: str) -> set[str]:
        """Names of the objects of a kind."""
        return {one["metadata"]["name"] for one in self.of_kind(kind)}

    @property
    def services(self) -> set[str]:
        """The services of HERMES Live in it."""
        return {*SERVICES, *([NOTIFIER] if "notifier" in self.components else [])}

    @property
    def workloads(self) -> dict[str, Object]:
        """What makes pods, by name."""
        return {one["metadata"]["name"]: one for one in self.of_kind("Deployment", "StatefulSet")}

    def environment(self, workload: str) -> dict[str, str]:
        """Variables of a workload's container; what only the cluster knows is made up."""
        made_up = {"metadata.name": f"{workload}-0", "status.podIP": "10.1.2.3"}
        scheme = "rediss" if "tls" in self.components else "redis"
        secrets = {"url": f"{scheme}://:secret@hermes-redis:6379/0"}
        maps = {one["metadata"]["name"]: one.get("data", {}) for one in self.of_kind("ConfigMap")}
        found: dict[str, str] = {}
        holder = container(self.workloads[workload])
        for source in holder.get("envFrom", []):
            if "configMapRef" in source:
                found |= maps[source["configMapRef"]["name"]]
        for variable in holder.get("env", []):
            if "value" in variable:
                found[variable["name"]] = variable["value"]
            elif reference := variable["valueFrom"].get("fieldRef"):
                found[variable["name"]] = made_up[reference["fieldPath"]]
            elif reference := variable["valueFrom"].get("configMapKeyRef"):
                found[variable["name"]] = maps[reference["name"]][reference["key"]]
            else:
                key = variable["valueFrom"]["secretKeyRef"]["key"]
                found[variable["name"]] = secrets.get(key, f"secret-{key}")
        return found


@cache
def _render(variant: Variant) -> list[Object]:
    text = made_once(f"{variant}.yaml", lambda made: made.write_text(_rendered(variant)))
    return [_parse(part) for part in text.read_text().split("\n---\n")]


def _rendered(variant: Variant) -> str:
    with tempfile.TemporaryDirectory(prefix="hermes-k8s-") as made:
        folder = Path(made).resolve()

        def below(*parts: str) -> str:
            return os.path.relpath(MANIFESTS.joinpath(*parts), folder)

        kustomization = {
            "resources": [below("overlays", variant.overlay)],
            "components": [below("components", name) for name in variant.components],
            "configMapGenerator": [
                {
                    "name": f"{workload}-settings",
                    "behavior": "merge",
                    "literals": [f"{key}={value}" for key, value in given.items()],
                }
                for name, (workload, given) in SETTINGS.items()
                if name in variant.components
            ],
            "namespace": "hermes-live",
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return kustomize(folder, KUBECTL)


def kustomize(folder: Path, kubectl: str | None) -> str:
    """What a kubectl makes of the kustomization in a folder."""
    if kubectl is None:
        raise RuntimeError("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)],
        env={**os.environ, "GOGC": "off"},  # too short a life to collect garbage
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode or done.stderr:  # warnings of what is deprecated come on standard error
        raise AssertionError(f"{folder}: {done.stderr}")
    return done.stdout


@cache
def _parse(text: str) -> Object:
    """Most objects are the same in most variants."""
    found: Object = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


@cache
def cluster() -> tuple[Object, ...]:
    """What belongs to the cluster, and is applied before any overlay."""
    return tuple(yaml.safe_load_all(kustomize(MANIFESTS / "cluster", KUBECTL)))


def readme() -> list[Object]:
    """The objects that deploy/k8s/README.md shows in blocks of YAML."""
    text = (MANIFESTS / "README.md").read_text()
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(dedent(block)) for _, block in blocks]


def kustomization(resources: str) -> Object:
    """The kustomization that it shows for a folder of deploy/k8s."""
    (found,) = (
        one
        for one in readme()
        if one.get("kind") == "Kustomization" and resources in one["resources"][0]
    )
    return found


def shown_with(field: str) -> Object:
    """The one block of its YAML that begins with a field."""
    (found,) = (one for one in readme() if next(iter(one)) == field)
    return found


def pod(workload: Object) -> Object:
    """The spec of a workload's pods."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def labels(workload: Object) -> dict[str, str]:
    """The labels of a workload's pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def container(workload: Object) -> Object:
    """Its one container."""
    (only,) = pod(workload)["containers"]
    assert isinstance(only, dict)
    return only


def selects(selector: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) takes these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if found.get(key) != value:
            return False
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise ValueError(f"not understood: {term}")
        if found.get(term["key"]) not in term["values"]:
            return False
    return True


UNITS = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
UNITS |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def quantity(text: str | int) -> float:
    """A Kubernetes quantity as a number."""
    written = str(text)
    unit = written.lstrip("0123456789.")
    return float(written.removesuffix(unit)) * UNITS.get(unit, 1.0)


def references(spec: Object) -> Iterator[tuple[str, str, bool]]:
    """Kind, name and whether it may be missing, of everything that a pod's spec names."""
    yield "ServiceAccount", spec["serviceAccountName"], False
    yield "PriorityClass", spec["priorityClassName"], False
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], False
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], False
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], False
    for holder in spec["containers"]:
        for source in holder.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if found := source.get(field):
                    yield kind, found["name"], found.get("optional", False)
        for variable in holder.get("env", []):
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if found := variable.get("valueFrom", {}).get(field):
                    yield kind, found["name"], found.get("optional", False)
