"""All that is rendered fits the schemas of API servers and operators, and fits together.

kubectl renders it without a cluster. Labels, names and references are seen by no schema.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.support.manifests import (
    COMPONENTS,
    KUBECTL,
    MANIFESTS,
    OVERLAYS,
    ROOT,
    VERSIONS,
    Variant,
    cluster,
    container,
    kustomization,
    labels,
    pod,
    readme,
    references,
    selects,
)
from tests.support.monitoring import PROMETHEUS, read
from tests.support.variants import every

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

SCHEMAS = {
    path.stem: json.loads(path.read_text())
    for path in (ROOT / "tests" / "support" / "schemas").iterdir()
}
"""Of kinds that come with an operator: no schema of Kubernetes knows them."""
NAMESPACE = "hermes-live"
YOURS = {
    "hermes-redis",
    "hermes-redis-users",
    "hermes-redis-tls",
    "hermes-gateway-tls",
    "hermes-worker-tls",
    "hermes-web-tls",
    "hermes-tokens",
    "hermes-model-hub",
    "hermes-checkpoints-s3",
    "hermes-sinks",
    "hermes-registry",
    "hermes-ingress-tls",
}
"""Secrets that the README says to bring."""
CLAIM = "hermes-checkpoints"
MODELS_CLAIM = "hermes-models"
"""Claims that it says to bring."""


@cache
def problem(text: str, version: str) -> str:
    """What a schema has against an object, or nothing."""
    one = json.loads(text)
    try:
        if schema := SCHEMAS.get(one["kind"]):
            jsonschema.validate(one, schema, jsonschema.Draft202012Validator)
        else:
            kubernetes_validate.validate(one, version, strict=True)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return ""


@every
def test_fits_the_schemas(variant: Variant) -> None:
    for one in variant.objects:
        for version in VERSIONS:
            assert not problem(json.dumps(one, sort_keys=True), version), one["metadata"]["name"]


def test_a_schema_sees_a_field_that_is_none() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {"prots": []},
    }
    for version in VERSIONS:
        assert "prots" in problem(json.dumps(service), version)


MISTAKES: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("PodMonitor", ("spec", "podMetricsEndpoint"), []),
    ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "scrapeTimeuot"), "10s"),
    ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "interval"), "15 s"),
    ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "relabelings", 0, "action"), "rename"),
    ("PodMonitor", ("metadata", "label"), {}),
    ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "alerts"), "Down"),
    ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "for"), "soon"),
    ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "labels", "severity"), 1),
    ("GRPCRoute", ("spec", "backendRefs"), []),
    ("GRPCRoute", ("spec", "rules", 0, "backendRefs", 0, "port"), "grpc"),
    ("HTTPRoute", ("spec", "rules", 0, "timeouts", "request"), "never"),
    ("ScaledObject", ("apiVersion",), "keda.sh/v1"),
    ("ScaledObject", ("spec", "minReplicas"), 2),
    ("ScaledObject", ("spec", "maxReplicaCount"), "8"),
    ("ScaledObject", ("spec", "triggers", 0, "metadata", "ignoreNullValues"), False),
    ("ScaledObject", ("spec", "advanced"), None),
]


@pytest.mark.parametrize(
    ("kind", "path", "wrong"), MISTAKES, ids=[".".join(map(str, path)) for _, path, _ in MISTAKES]
)
def test_a_mistake_in_an_operators_object_is_seen(
    kind: str, path: tuple[str | int, ...], wrong: Any
) -> None:
    whole = deepcopy(Variant("a100", COMPONENTS).of_kind(kind)[0])
    assert not problem(json.dumps(whole), "")
    where: Any = whole
    for key in path[:-1]:
        where = where[key]
    where[path[-1]] = wrong
    assert str(path[-1]) in problem(json.dumps(whole), "")


def test_every_folder_is_rendered_in_the_order_of_the_readme() -> None:
    folders = {path.name for path in MANIFESTS.iterdir() if path.is_dir()}
    assert folders == {"base", "cluster", "components", "models", "overlays"}
    assert {path.name for path in (MANIFESTS / "overlays").iterdir()} == set(OVERLAYS)
    assert {path.name for path in (MANIFESTS / "components").iterdir()} == set(COMPONENTS)
    listed = kustomization("overlays")["components"]
    named = [Path(path).name for path in listed if path != "./images"]
    assert named == [one for one in COMPONENTS if one != "checkpoints-volume"]  # either of the two


@every
def test_components_switch_what_they_say(variant: Variant) -> None:
    on = {name: name in variant.components for name in COMPONENTS}
    expected = {"hermes-decoder", "hermes-worker", "hermes-gateway", "hermes-web"}
    expected |= {"hermes-notifier"} if on["notifier"] else set()
    assert set(variant.workloads) == expected | (
        set() if on["external-redis"] else {"hermes-redis"}
    )
    assert bool(variant.of_kind("NetworkPolicy")) is on["network-policies"]
    assert bool(variant.of_kind("PodMonitor")) is on["monitoring"]
    assert bool(variant.of_kind("PrometheusRule")) is on["monitoring"]
    assert bool(variant.of_kind("ScaledObject")) is on["keda"]
    gateway = variant.environment("hermes-gateway")
    assert ("HERMES_TOKENS_FILE" in gateway) is on["tokens"]
    assert ("HERMES_JWT_JWKS" in gateway) is on["jwt"]
    assert bool(variant.of_kind("GRPCRoute")) is on["gateway-api"]
    assert bool(variant.of_kind("HTTPRoute")) is on["gateway-api"]
    assert bool(variant.of_kind("Ingress")) is on["ingress"]
    (service,) = (
        one for one in variant.of_kind("Service") if one["metadata"]["name"] == "hermes-gateway"
    )
    assert (service["spec"].get("type") == "LoadBalancer") is on["load-balancer"]
    for account in variant.of_kind("ServiceAccount"):
        assert ("imagePullSecrets" in account) is on["pull-secret"]
    url = variant.environment("hermes-worker").get("HERMES_CHECKPOINT_URL", "")
    assert url.startswith("s3://") is on["checkpoints-s3"]
    assert bool(url) is (on["checkpoints-s3"] or on["checkpoints-volume"])


PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]


def test_a_way_in_is_open_to_nobody_that_its_user_did_not_name() -> None:
    variant = Variant("h100", COMPONENTS)
    (route,) = variant.of_kind("GRPCRoute")
    assert not {"parentRefs", "hostnames"} & set(route["spec"])
    (over_http,) = variant.of_kind("HTTPRoute")
    assert "parentRefs" not in over_http["spec"]
    assert over_http["spec"]["hostnames"] == ["hermes-web.invalid"]
    names = {"hermes-gateway": "hermes-live.invalid", "hermes-web": "hermes-web.invalid"}
    assert variant.names("Ingress") == set(names)
    for ingress in variant.of_kind("Ingress"):
        hosts = [rule["host"] for rule in ingress["spec"]["rules"]]
        assert hosts == ingress["spec"]["tls"][0]["hosts"] == [names[ingress["metadata"]["name"]]]
    (service,) = (one for one in variant.of_kind("Service") if "type" in one["spec"])
    assert service["spec"]["loadBalancerSourceRanges"] == PRIVATE


@every
def test_no_claim_is_made_that_every_node_would_have_to_write_to(variant: Variant) -> None:
    """The default class of most clusters has no such volumes: pods would wait for ever."""
    assert not variant.of_kind("PersistentVolumeClaim")
    for workload in variant.workloads.values():
        for claim in workload["spec"].get("volumeClaimTemplates", []):
            assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_the_claims_of_the_readme_are_those_that_workers_use() -> None:
    shown = [one for one in readme() if one.get("kind") == "PersistentVolumeClaim"]
    assert [one["metadata"]["name"] for one in shown] == [CLAIM, MODELS_CLAIM]
    worker = pod(Variant("h100", COMPONENTS).workloads["hermes-worker"])
    for claim in shown:
        for version in VERSIONS:
            kubernetes_validate.validate(claim, version, strict=True)
        assert claim["metadata"]["namespace"] == NAMESPACE
        assert ("PersistentVolumeClaim", claim["metadata"]["name"], False) in references(worker)


@every
def test_all_lies_in_one_namespace(variant: Variant) -> None:
    seen = [(one["kind"], one["metadata"]["name"]) for one in variant.objects]
    assert len(seen) == len(set(seen))
    for one in variant.objects:
        assert one["metadata"]["namespace"] == NAMESPACE, one["metadata"]["name"]


def test_what_belongs_to_the_cluster_lies_apart() -> None:
    """So that what deletes the rest leaves it, with the Secrets and claims in the namespace."""
    found = {(one["kind"], one["metadata"]["name"]): one for one in cluster()}
    assert set(found) == {
        ("Namespace", NAMESPACE),
        *(("PriorityClass", f"hermes-live-{name}") for name in ("stateful", "stateless")),
    }
    for (kind, _), one in found.items():
        for version in VERSIONS:
            assert not problem(json.dumps(one), version)
        if kind == "PriorityClass":
            assert one["preemptionPolicy"] == "Never"


@every
def test_the_number_of_workers_is_left_to_its_owner(variant: Variant) -> None:
    for name, workload in variant.workloads.items():
        assert ("replicas" in workload["spec"]) is (name != "hermes-worker")


@every
def test_selectors_take_their_own_pods_and_no_others(variant: Variant) -> None:
    pods = {name: labels(workload) for name, workload in variant.workloads.items()}

    def taken(selector: dict[str, Any]) -> set[str]:
        return {name for name, found in pods.items() if selects(selector, found)}

    for name, workload in variant.workloads.items():
        assert taken(workload["spec"]["selector"]) == {name}
        for constraint in pod(workload).get("topologySpreadConstraints", []):
            assert taken(constraint["labelSelector"]) == {name}
        if workload["kind"] == "StatefulSet":
            assert workload["spec"]["serviceName"] in variant.names("Service")
    for service in variant.of_kind("Service"):
        name = service["metadata"]["name"]
        assert taken({"matchLabels": service["spec"]["selector"]}) == {name}
        offered = {port["name"] for port in container(variant.workloads[name])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= offered
    grpc = {("hermes-gateway", 50051)}
    for route in variant.of_kind("GRPCRoute"):
        (rule,) = route["spec"]["rules"]
        assert {(one["name"], one["port"]) for one in rule["backendRefs"]} == grpc
    for route in variant.of_kind("HTTPRoute"):
        (rule,) = route["spec"]["rules"]
        assert rule["backendRefs"] == [{"name": "hermes-web", "port": 8000}]
    for ingress in variant.of_kind("Ingress"):
        (rule,) = ingress["spec"]["rules"]
        (way,) = rule["http"]["paths"]
        name = ingress["metadata"]["name"]
        port = {"hermes-gateway": "grpc", "hermes-web": "http"}[name]
        assert way["backend"]["service"] == {"name": name, "port": {"name": port}}
        spoken = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/backend-protocol"]
        assert spoken == port.upper() + ("S" if "tls" in variant.components else "")
        (certificate,) = ingress["spec"]["tls"]
        assert certificate["secretName"] in YOURS
    budgets = variant.of_kind("PodDisruptionBudget")
    one_node = "one-node" in variant.components  # whose drain no budget may hold up
    assert {one["metadata"]["name"] for one in budgets} == (set() if one_node else variant.services)
    for budget in budgets:
        assert taken(budget["spec"]["selector"]) == {budget["metadata"]["name"]}
    for monitor in variant.of_kind("PodMonitor"):
        assert taken(monitor["spec"]["selector"]) == variant.services
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for name in variant.services:
                ports = container(variant.workloads[name])["ports"]
                assert endpoint["port"] in {port["name"] for port in ports}


@every
def test_what_is_named_is_there(variant: Variant) -> None:
    readme = (MANIFESTS / "README.md").read_text()
    for workload in variant.workloads.values():
        spec = pod(workload)
        for kind, name, _optional in references(spec):
            if kind == "Secret":
                assert name in YOURS
                assert f"`{name}`" in readme
            elif kind == "PersistentVolumeClaim":
                assert name in (CLAIM, MODELS_CLAIM)
            elif kind == "PriorityClass":
                assert (kind, name) in {(o["kind"], o["metadata"]["name"]) for o in cluster()}
            else:
                assert name in variant.names(kind)
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = [volume["name"] for volume in [*spec.get("volumes", [])]]
        volumes += [claim["metadata"]["name"] for claim in claims]
        mounts = [mount["name"] for mount in container(workload)["volumeMounts"]]
        assert sorted(mounts) == sorted(volumes)
    assert not variant.of_kind("Secret")


def test_rules_in_a_cluster_are_those_of_prometheus() -> None:
    rendered = {
        one["metadata"]["name"]: one["spec"]
        for one in Variant("a100", ("monitoring",)).of_kind("PrometheusRule")
    }
    files = {path.stem: read(path) for path in (PROMETHEUS / "rules").iterdir()}
    assert rendered == {f"hermes-live-{name}": rules for name, rules in files.items()}
    for spec in rendered.values():
        names = [group["name"] for group in spec["groups"]]
        assert len(set(names)) == len(names)
