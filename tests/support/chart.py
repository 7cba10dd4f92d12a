"""The Helm chart as Helm renders it, and the same objects as kustomize has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import yaml
from helm_python import Chart

from tests.support.manifests import COMPONENTS, ROOT, SETTINGS, Object, pod

CHART = ROOT / "deploy" / "helm" / "hermes-live"
NAMESPACE = "hermes-live"
PRESETS = ("gpu", "a100", "a100-40", "l40s", "h100", "h200", "cpu-dev")
Values = dict[str, Any]
JWT = SETTINGS["jwt"][1]
VALUES: dict[str, Values] = {
    "notifier": {"notifier": {"enabled": True}},
    "network-policies": {"networkPolicies": {"enabled": True}},
    "ingress": {
        "ingress": {
            "enabled": True,
            "host": "hermes-live.invalid",
            "webHost": "hermes-web.invalid",
        }
    },
    "load-balancer": {"loadBalancer": {"enabled": True}},
    "gateway-api": {"gatewayApi": {"enabled": True, "webHostnames": ["hermes-web.invalid"]}},
    "tls": {"tls": {"enabled": True}},
    "redis-acl": {"redis": {"users": True}},
    "tokens": {"auth": {"tokens": True}},
    "jwt": {
        "auth": {
            "jwt": {
                "enabled": True,
                "jwks": JWT["HERMES_JWT_JWKS"],
                "issuer": JWT["HERMES_JWT_ISSUER"],
                "audience": JWT["HERMES_JWT_AUDIENCE"],
            }
        }
    },
    "external-redis": {"redis": {"enabled": False}},
    "checkpoints-s3": {
        "checkpoints": {
            "store": "s3",
            "url": SETTINGS["checkpoints-s3"][1]["HERMES_CHECKPOINT_URL"],
        }
    },
    "checkpoints-volume": {
        "checkpoints": {"store": "volume", "volume": {"existingClaim": "hermes-checkpoints"}}
    },
    "monitoring": {"monitoring": {"enabled": True}},
    "keda": {"keda": {"enabled": True}},
    "runtime-class": {"worker": {"runtimeClassName": "nvidia"}},
    "openshift": {"openshift": True},
    "models-claim": {"worker": {"models": {"existingClaim": "hermes-models"}}},
    "pull-secret": {"images": {"pullSecrets": ["hermes-registry"]}},
    "one-node": {"disruptionBudgets": False},
}
"""What switches on in the chart what each component does."""
# The chart has one place for memories, and kustomize's all have both.
ALL = tuple(name for name in COMPONENTS if name != "checkpoints-volume")


def together(*given: Values) -> Values:
    """Values of several sets; what comes later counts."""
    made: Values = {}
    for values in given:
        for key, value in values.items():
            inner = made.get(key)
            if isinstance(value, dict) and isinstance(inner, dict):
                made[key] = together(inner, value)
            else:
                made[key] = deepcopy(value)
    return made


def everything(preset: str = "h100") -> Values:
    """All that can be switched on at once."""
    return together({"preset": preset}, *(VALUES[name] for name in ALL))


@cache
def chart() -> Chart:
    """The chart, read once."""
    return Chart.load(CHART)


def rendered(values: Values | None = None) -> list[Object]:
    """Every object of the chart, those of hooks as well."""
    files = chart().render(values, name="hermes", namespace=NAMESPACE)
    return [
        one
        for name, text in sorted(files.items())
        if name.endswith(".yaml")
        for one in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if one is not None
    ]


def notes(values: Values | None = None) -> str:
    """What Helm says after an install."""
    files = chart().render(values, name="hermes", namespace=NAMESPACE)
    return files["hermes-live/templates/NOTES.txt"]


def is_hook(one: Object) -> bool:
    """Whether Helm makes it apart from the release."""
    return "helm.sh/hook" in one["metadata"].get("annotations", {})


def is_of_helm_alone(one: Object) -> bool:
    """Hooks, and the way to a gateway of the one that asks a question."""
    return is_hook(one) or one["metadata"]["name"].startswith("hermes-question-")


def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    """Objects by kind and name."""
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    assert len(found) == len(objects)
    return found


def found(objects: list[Object], kind: str, name: str) -> Object:
    """The object of this kind and name."""
    return by_name(objects)[kind, name]


HASH = re.compile(r"-[a-z0-9]{10}$")
"""Kustomize's, at the end of names of ConfigMaps."""


def normal(objects: list[Object]) -> dict[tuple[str, str], Object]:
    """Objects without what cannot be the same.

    Kustomize's names of ConfigMaps carry a hash, the chart's pods a sum of them in an annotation;
    Helm has labels of its own; and variables, volumes and mounts have an order that means nothing.
    """
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    hashed = {name: HASH.sub("", name) for name in maps}
    return by_name([_normal(one, hashed) for one in objects])


def _normal(one: Object, hashed: Mapping[str, str]) -> Object:
    made: Object = _renamed(deepcopy(one), hashed)
    _drop(made["metadata"], "labels", re.compile(r"app\.kubernetes\.io/(?!name$)|helm\.sh/"))
    if made["kind"] in ("Deployment", "StatefulSet", "Job"):
        _drop(made["spec"]["template"]["metadata"], "annotations", re.compile("checksum/"))
        spec = pod(made)
        spec.get("volumes", []).sort(key=lambda volume: volume["name"])
        for holder in spec["containers"]:
            holder.get("env", []).sort(key=lambda variable: variable["name"])
            holder["volumeMounts"].sort(key=lambda mount: mount["name"])
    return made


def _drop(holder: Object, field: str, names: re.Pattern[str]) -> None:
    kept = {name: value for name, value in holder.get(field, {}).items() if not names.match(name)}
    holder.pop(field, None)
    if kept:
        holder[field] = kept


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two objects are not the same, and how."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}, key=str):
            yield from differences(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}[{at}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} in the chart, {theirs!r} in kustomize"
