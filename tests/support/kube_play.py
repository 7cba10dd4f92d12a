"""Rendered workloads for `podman kube play`, as podman 4.3 understands them.

What it cannot do is changed, and nothing else:

- A Deployment or StatefulSet becomes one Pod of the same name. There are no Services, but podman's
  DNS knows pods by their names, and each of ours has that of its Service.
- Claims of a StatefulSet become claims by themselves.
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

from tests.support.manifests import Object, Variant, pod

LEFT_OUT = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle")


def playable(variant: Variant) -> list[Object]:
    """What podman can play of it, Pods last. Raises ValueError if a workload wants several pods."""
    volumes = [deepcopy(one) for one in variant.of_kind("ConfigMap", "PersistentVolumeClaim")]
    pods = []
    for name, workload in variant.workloads.items():
        if workload["spec"].get("replicas", 1) != 1:
            raise ValueError(f"{variant}: {name} wants more than one pod")
        spec = deepcopy(pod(workload))
        (container,) = spec["containers"]
        for claim in deepcopy(workload["spec"].get("volumeClaimTemplates", [])):
            volume = claim["metadata"]["name"]
            claim["metadata"]["name"] = f"{volume}-{name}-0"
            volumes.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | claim)
            reference = {"claimName": claim["metadata"]["name"]}
            spec["volumes"].append({"name": volume, "persistentVolumeClaim": reference})
        for named in (*spec["volumes"], *container["volumeMounts"]):
            named["name"] = f"{name}-{named['name']}"
        for field in LEFT_OUT:
            container.pop(field, None)
        for variable in container["env"]:
            if variable.get("valueFrom") == {"fieldRef": {"fieldPath": "status.podIP"}}:
                del variable["valueFrom"]
                variable["value"] = name
        metadata = {"name": name, "labels": workload["spec"]["template"]["metadata"]["labels"]}
        pods.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return [*volumes, *pods]


def secret(values: Mapping[str, str]) -> str:
    """A Secret's values as podman reads them from a secret of its own."""
    return json.dumps({key: b64encode(value.encode()).decode() for key, value in values.items()})
