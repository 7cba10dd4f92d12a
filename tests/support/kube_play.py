"""Rendered workloads for `podman kube play`, as podman 4.3 understands them.

What it cannot do is changed, and nothing else:

- A Deployment or StatefulSet becomes a Pod of the same name, and further ones if it wants several:
  NAME-2, NAME-3. There are no Services, but podman's DNS knows pods by their names, and the first
  pod of each of our workloads has the name of its Service.
- Claims of a StatefulSet become claims by themselves.
- A volume of a Secret becomes a folder that the caller has filled: podman 4.3 knows none.
- Volumes are named for their pods, or podman would give pods an `emptyDir` of one name together.
- A pod's address becomes its name: podman knows no `status.podIP`.
- Ports are left out, or podman would open them to everyone who reaches the machine.
- So are probes and hooks: podman would run curl in the containers.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType

from tests.support.manifests import Object, Variant, pod

LEFT_OUT = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle")


def playable(variant: Variant, secrets: Mapping[str, Path] = MappingProxyType({})) -> list[Object]:
    """What podman can play of it, Pods last. `secrets`: a folder for each that is mounted."""
    volumes = [deepcopy(one) for one in variant.of_kind("ConfigMap", "PersistentVolumeClaim")]
    pods = []
    for name, workload in variant.workloads.items():
        for claim in deepcopy(workload["spec"].get("volumeClaimTemplates", [])):
            claim["metadata"]["name"] += f"-{name}-0"
            volumes.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | claim)
        for number in range(1, workload["spec"].get("replicas", 1) + 1):
            pods.append(_pod(name if number == 1 else f"{name}-{number}", workload, secrets))
    return [*volumes, *pods]


def _pod(name: str, workload: Object, secrets: Mapping[str, Path]) -> Object:
    spec = deepcopy(pod(workload))
    (container,) = spec["containers"]
    for claim in workload["spec"].get("volumeClaimTemplates", []):
        volume = claim["metadata"]["name"]
        reference = {"claimName": f"{volume}-{name}-0"}
        spec["volumes"].append({"name": volume, "persistentVolumeClaim": reference})
    for volume in spec["volumes"]:
        if mounted := volume.pop("secret", None):
            volume["hostPath"] = {"path": str(secrets[mounted["secretName"]])}
    for named in (*spec["volumes"], *container["volumeMounts"]):
        named["name"] = f"{name}-{named['name']}"
    for field in LEFT_OUT:
        container.pop(field, None)
    for variable in container["env"]:
        if variable.get("valueFrom") == {"fieldRef": {"fieldPath": "status.podIP"}}:
            del variable["valueFrom"]
            variable["value"] = name
    metadata = {"name": name, "labels": workload["spec"]["template"]["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def secret(values: Mapping[str, str]) -> str:
    """A Secret's values as podman reads them from a secret of its own."""
    return json.dumps({key: b64encode(value.encode()).decode() for key, value in values.items()})
