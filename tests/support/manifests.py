"""The Kubernetes manifests as kubectl renders them, and what their parts mean."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy" / "k8s"
OVERLAYS = ("a100", "h100", "cpu-dev")
# In the order in which deploy/k8s/README.md says to list them.
COMPONENTS = (
    "network-policies",
    "tls",
    "redis-acl",
    "external-redis",
    "checkpoints-s3",
    "monitoring",
    "keda",
)
KUBECTL = shutil.which("kubectl")
NAME = "app.kubernetes.io/name"

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
        """Everything that kubectl renders."""
        return _render(self)

    def of_kind(self, *kinds: str) -> list[Object]:
        """The objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def names(self, kind: str) -> set[str]:
        """Names of the objects of a kind."""
        return {one["metadata"]["name"] for one in self.of_kind(kind)}

    @property
    def workloads(self) -> dict[str, Object]:
        """What makes pods, by name."""
        return {one["metadata"]["name"]: one for one in self.of_kind("Deployment", "StatefulSet")}

    def environment(self, workload: str) -> dict[str, str]:
        """Variables of a workload's container; what only the cluster knows is made up."""
        made_up = {"metadata.name": f"{workload}-0", "status.podIP": "10.1.2.3"}
        scheme = "rediss" if "tls" in self.components else "redis"
        secrets = {"url": f"{scheme}://:secret@hermes-redis:6379/0"}
        maps = {one["metadata"]["name"]: one["data"] for one in self.of_kind("ConfigMap")}
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
            else:
                key = variable["valueFrom"]["secretKeyRef"]["key"]
                found[variable["name"]] = secrets.get(key, f"secret-{key}")
        return found


def variants() -> list[tuple[Variant, bool]]:
    """Every overlay with every set of components; and whether it is one of the few that tell most:
    no component, each, and all of them.
    """
    sets = [c for n in range(len(COMPONENTS) + 1) for c in combinations(COMPONENTS, n)]
    return [
        (Variant(overlay, components), len(components) in (0, 1, len(COMPONENTS)))
        for overlay in OVERLAYS
        for components in sets
    ]


@cache
def _render(variant: Variant) -> list[Object]:
    if KUBECTL is None:
        raise RuntimeError("kubectl is not installed")
    with tempfile.TemporaryDirectory(prefix="hermes-k8s-") as made:
        folder = Path(made).resolve()

        def below(*parts: str) -> str:
            return os.path.relpath(MANIFESTS.joinpath(*parts), folder)

        kustomization = {
            "resources": [below("overlays", variant.overlay)],
            "components": [below("components", name) for name in variant.components],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        done = subprocess.run(
            [KUBECTL, "kustomize", str(folder)], capture_output=True, text=True, timeout=60
        )
    if done.returncode or done.stderr:  # warnings of what is deprecated come on standard error
        raise AssertionError(f"{variant}: {done.stderr}")
    return list(yaml.load_all(done.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


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


@dataclass(frozen=True, slots=True)
class Party:
    """Whoever may talk: a pod with its labels and its namespace's, or an address outside."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    namespace: tuple[tuple[str, str], ...] | None = None  # None: the policies' own
    address: str = ""

    @property
    def guarded(self) -> bool:
        """Whether the policies' namespace is its own."""
        return self.namespace is None and not self.address


Arrow = tuple[str, str, str, int]
"""From, to, protocol, port."""


def arrows(policies: list[Object], parties: list[Party]) -> set[Arrow]:
    """Everything that the policies let through, over all ports that any of them names."""
    ports = {
        (port["protocol"], port["port"])
        for policy in policies
        for side in ("ingress", "egress")
        for rule in policy["spec"].get(side, [])
        for port in rule["ports"]  # a rule without ports would allow every one of them
    }
    ports |= {("TCP", 1), ("UDP", 1)}  # some that nothing asks for
    return {
        (source.name, target.name, *port)
        for source in parties
        for target in parties
        for port in ports
        if source is not target
        and (source.guarded or target.guarded)
        and _lets(policies, "egress", source, target, port)
        and _lets(policies, "ingress", target, source, port)
    }


def _lets(
    policies: list[Object], side: str, whose: Party, other: Party, port: tuple[str, int]
) -> bool:
    """Whether the policies of `whose` let `other` through on this side."""
    if not whose.guarded:
        return True
    applied = [
        policy["spec"]
        for policy in policies
        if side.capitalize() in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], dict(whose.labels))
    ]
    if not applied:
        return True  # nobody said anything about this pod
    return any(
        port in {(one["protocol"], one["port"]) for one in rule["ports"]}
        and any(_is_peer(peer, other) for peer in rule["from" if side == "ingress" else "to"])
        for spec in applied
        for rule in spec.get(side, [])
    )


def _is_peer(peer: Object, party: Party) -> bool:
    if block := peer.get("ipBlock"):
        if not party.address:
            return False
        address = ip_address(party.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(excepted) for excepted in block.get("except", [])
        )
    if party.address:
        return False
    if "namespaceSelector" in peer:
        if party.namespace is None or not selects(peer["namespaceSelector"], dict(party.namespace)):
            return False
    elif party.namespace is not None:
        return False
    return selects(peer.get("podSelector", {}), dict(party.labels))


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
            if found := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield "Secret", found["name"], found.get("optional", False)
