"""The manifests say what the services need: every overlay, with every set of components.

kubectl renders them without a cluster; the schemas are those of the API servers.
What no schema sees (labels, references, settings, arrows) is checked here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from services.common.leases import TTL_S
from services.common.metrics import Metrics
from services.common.settings import ServiceSettings, load
from services.common.tls import TlsServerSettings
from services.decoder.settings import DecoderSettings
from services.decoder.supervisor import STOP_GRACE_S
from services.hermes_worker.settings import WorkerSettings
from services.query_gateway.settings import GatewaySettings
from tests.support.manifests import (
    COMPONENTS,
    KUBECTL,
    MANIFESTS,
    NAME,
    OVERLAYS,
    Object,
    Party,
    Variant,
    arrows,
    container,
    labels,
    pod,
    quantity,
    references,
    selects,
    variants,
)
from tests.support.monitoring import PROMETHEUS, read
from tests.support.promql import parse

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

VERSIONS = ("1.32", "1.37")
CUSTOM = {"PodMonitor", "PrometheusRule", "ScaledObject"}
"""Kinds that come with an operator: no schema of Kubernetes knows them."""
NAMESPACE = "hermes-live"
CLUSTER_WIDE = {"Namespace", "PriorityClass"}
YOURS = {
    "hermes-redis",
    "hermes-redis-users",
    "hermes-redis-tls",
    "hermes-gateway-tls",
    "hermes-worker-tls",
    "hermes-model-hub",
    "hermes-checkpoints-s3",
}
"""Secrets that the README says to bring."""
SETTINGS: dict[str, type[ServiceSettings]] = {
    "hermes-decoder": DecoderSettings,
    "hermes-worker": WorkerSettings,
    "hermes-gateway": GatewaySettings,
}
GRPC_PORTS = {"hermes-worker": 50061, "hermes-gateway": 50051}

every = pytest.mark.parametrize(
    "variant",
    [
        pytest.param(variant, id=str(variant), marks=() if few else pytest.mark.slow)
        for variant, few in variants()
    ],
)
"""The rest is for `make test-all`."""


@cache
def problem(text: str, version: str) -> str:
    """What a schema has against an object, or nothing."""
    try:
        kubernetes_validate.validate(json.loads(text), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return ""


@every
def test_fits_the_schemas_of_kubernetes(variant: Variant) -> None:
    for one in variant.objects:
        if one["kind"] in CUSTOM:
            continue
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


def test_every_folder_is_rendered() -> None:
    assert {path.name for path in (MANIFESTS / "overlays").iterdir()} == set(OVERLAYS)
    assert {path.name for path in (MANIFESTS / "components").iterdir()} == set(COMPONENTS)


@every
def test_components_switch_what_they_say(variant: Variant) -> None:
    on = {name: name in variant.components for name in COMPONENTS}
    expected = {"hermes-decoder", "hermes-worker", "hermes-gateway"}
    assert set(variant.workloads) == expected | (
        set() if on["external-redis"] else {"hermes-redis"}
    )
    assert bool(variant.of_kind("NetworkPolicy")) is on["network-policies"]
    assert bool(variant.of_kind("PodMonitor")) is on["monitoring"]
    assert bool(variant.of_kind("PrometheusRule")) is on["monitoring"]
    assert bool(variant.of_kind("ScaledObject")) is on["keda"]
    assert ("replicas" in variant.workloads["hermes-worker"]["spec"]) is not on["keda"]
    assert bool(variant.of_kind("PersistentVolumeClaim")) is not on["checkpoints-s3"]
    url = variant.environment("hermes-worker")["HERMES_CHECKPOINT_URL"]
    assert url.startswith("s3://") is on["checkpoints-s3"]


@every
def test_all_lies_in_one_namespace(variant: Variant) -> None:
    seen = [(one["kind"], one["metadata"]["name"]) for one in variant.objects]
    assert len(seen) == len(set(seen))
    assert variant.names("Namespace") == {NAMESPACE}
    for one in variant.objects:
        if one["kind"] not in CLUSTER_WIDE:
            assert one["metadata"]["namespace"] == NAMESPACE, one["metadata"]["name"]


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
    budgets = variant.of_kind("PodDisruptionBudget")
    assert {one["metadata"]["name"] for one in budgets} == set(SETTINGS)
    for budget in budgets:
        assert taken(budget["spec"]["selector"]) == {budget["metadata"]["name"]}
    for monitor in variant.of_kind("PodMonitor"):
        assert taken(monitor["spec"]["selector"]) == set(SETTINGS)
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for name in SETTINGS:
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
            else:
                assert name in variant.names(kind)
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = [volume["name"] for volume in [*spec.get("volumes", [])]]
        volumes += [claim["metadata"]["name"] for claim in claims]
        mounts = [mount["name"] for mount in container(workload)["volumeMounts"]]
        assert sorted(mounts) == sorted(volumes)
    assert not variant.of_kind("Secret")


def test_only_what_can_be_done_without_is_optional() -> None:
    found: dict[str, set[bool]] = {}
    for workload in Variant("a100", ("checkpoints-s3",)).workloads.values():
        for kind, name, optional in references(pod(workload)):
            if kind == "Secret":
                found.setdefault(name, set()).add(optional)
    assert found == {
        "hermes-redis": {False},
        "hermes-model-hub": {True},
        "hermes-checkpoints-s3": {True},
    }


@every
def test_variables_are_settings(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = "tls" in variant.components
    for name, kind in SETTINGS.items():
        given = variant.environment(name)
        own = {key: value for key, value in given.items() if key.startswith("HERMES_")}
        assert {key.removeprefix("HERMES_").lower() for key in own} <= set(kind.model_fields)
        with monkeypatch.context() as patched:
            for key, value in own.items():
                patched.setenv(key, value)
            settings = load(kind, name, [])
        ports = {p["name"]: p["containerPort"] for p in container(variant.workloads[name])["ports"]}
        assert ports["metrics"] == settings.metrics_port
        assert settings.instance == f"{name}-0"
        assert settings.redis_url.startswith("rediss://" if tls else "redis://")
        user = name if "redis-acl" in variant.components else ""
        assert settings.redis_username == user
        assert bool(settings.redis_password_file) is bool(user)
        assert bool(settings.redis_tls_ca_file) is tls
        if isinstance(settings, TlsServerSettings):
            assert bool(settings.server_tls) is tls
        if isinstance(settings, GatewaySettings):
            assert bool(settings.worker_tls) is tls
        if name in GRPC_PORTS:
            assert ports["grpc"] == GRPC_PORTS[name]
            assert getattr(settings, "listen").endswith(f":{ports['grpc']}")  # noqa: B009
        if isinstance(settings, WorkerSettings):
            assert settings.advertised(ports["grpc"]) == "10.1.2.3:50061"


@every
def test_names_of_services_make_no_settings(variant: Variant) -> None:
    """Kubernetes would tell a pod HERMES_WORKER_PORT and the like."""
    for workload in variant.workloads.values():
        assert pod(workload)["enableServiceLinks"] is False


@every
def test_probes_tell_the_truth(variant: Variant) -> None:
    for name, workload in variant.workloads.items():
        one = container(workload)
        if name == "hermes-redis":
            for kind in ("startup", "readiness", "liveness"):
                asked = " ".join(one[f"{kind}Probe"]["exec"]["command"])
                assert ("--tls" in asked) is ("tls" in variant.components)
            continue
        for kind, path in (
            ("startup", "healthz"),
            ("readiness", "readyz"),
            ("liveness", "healthz"),
        ):
            asked = one[f"{kind}Probe"]["httpGet"]
            assert (asked["path"], asked["port"]) == (f"/{path}", "metrics")
        # A process that is busy for a while is not killed for it.
        alive = one["livenessProbe"]
        assert alive["periodSeconds"] * alive["failureThreshold"] >= 60


@every
def test_pods_run_with_nothing_that_they_do_not_need(variant: Variant) -> None:
    for account in variant.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for name, workload in variant.workloads.items():
        spec, one = pod(workload), container(workload)
        assert spec["serviceAccountName"] == name
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["runAsGroup"] > 0
        assert spec["securityContext"]["fsGroup"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any(spec.get(f"host{what}") for what in ("Network", "PID", "IPC"))
        assert not any("hostPath" in volume for volume in spec.get("volumes", []))


@every
def test_images_have_a_tag(variant: Variant) -> None:
    for name, workload in variant.workloads.items():
        image, _, tag = container(workload)["image"].partition(":")
        assert image == {"hermes-redis": "redis"}.get(name, name.replace("hermes-", "hermes-live-"))
        assert tag
        assert tag != "latest"


@every
def test_paths_that_are_written_to_are_volumes(variant: Variant) -> None:
    for name in SETTINGS:
        mounts = container(variant.workloads[name])["volumeMounts"]
        writable = [Path(m["mountPath"]) for m in mounts if not m.get("readOnly")]
        read = [Path(m["mountPath"]) for m in mounts if m.get("readOnly")]
        assert Path("/tmp") in writable
        for variable, value in variant.environment(name).items():
            if value.startswith("/"):
                paths = read if variable.endswith("_FILE") else writable
                assert any(Path(value).is_relative_to(path) for path in paths), variable


@every
def test_requests_stay_below_limits(variant: Variant) -> None:
    for name, workload in variant.workloads.items():
        resources = container(workload)["resources"]
        requests, limits = resources["requests"], resources["limits"]
        assert {"cpu", "memory", "ephemeral-storage"} <= set(requests) == set(limits)
        for what, amount in requests.items():
            assert 0 < quantity(amount) <= quantity(limits[what]), f"{name}: {what}"
        held = [v["emptyDir"] for v in pod(workload).get("volumes", []) if "emptyDir" in v]
        room = sum(quantity(one["sizeLimit"]) for one in held)
        assert room <= quantity(limits["ephemeral-storage"]), name
    gpus = container(variant.workloads["hermes-worker"])["resources"]["limits"].get(
        "nvidia.com/gpu"
    )
    assert gpus == (None if variant.overlay == "cpu-dev" else 1)


@every
def test_redis_has_room_beside_its_data(variant: Variant) -> None:
    if "external-redis" in variant.components:
        return
    redis = variant.workloads["hermes-redis"]
    data = quantity(
        variant.environment("hermes-redis")["REDIS_MAXMEMORY"].replace("b", "i").title()
    )
    limits = container(redis)["resources"]["limits"]
    assert 1.5 * data <= quantity(limits["memory"])
    (claim,) = redis["spec"]["volumeClaimTemplates"]
    assert 4 * data <= quantity(claim["spec"]["resources"]["requests"]["storage"])
    maps = [config_map["data"] for config_map in variant.of_kind("ConfigMap")]
    (config,) = (data["redis.conf"] for data in maps if "redis.conf" in data)
    assert "\nappendonly yes\n" in config
    assert "\nmaxmemory-policy noeviction\n" in config


@every
def test_there_is_time_to_end(variant: Variant) -> None:
    grace = {
        name: pod(workload)["terminationGracePeriodSeconds"]
        for name, workload in variant.workloads.items()
    }
    drain = float(variant.environment("hermes-worker")["HERMES_DRAIN_S"])
    assert grace["hermes-worker"] >= drain + TTL_S + 10
    drain = float(variant.environment("hermes-gateway")["HERMES_DRAIN_GRACE_S"])
    hook = container(variant.workloads["hermes-gateway"])["lifecycle"]["preStop"]
    assert grace["hermes-gateway"] >= hook["sleep"]["seconds"] + drain + 10
    assert grace["hermes-decoder"] >= STOP_GRACE_S + 5 + TTL_S


@every
def test_decoders_have_room_for_all_that_workers_take(variant: Variant) -> None:
    if "keda" in variant.components:
        return
    taken, read = (
        variant.workloads[name]["spec"]["replicas"] * int(variant.environment(name)[most])
        for name, most in (
            ("hermes-worker", "HERMES_MAX_CAMERAS"),
            ("hermes-decoder", "HERMES_CAPACITY"),
        )
    )
    assert taken <= read


# -- who may talk to whom ------------------------------------------------------

SERVICES = ("gateway", "worker", "decoder")
METRICS_PORTS = {"gateway": 9101, "worker": 9102, "decoder": 9103}
IN_MONITORING = (("kubernetes.io/metadata.name", "monitoring"),)
IN_KUBE_SYSTEM = (("kubernetes.io/metadata.name", "kube-system"),)
OUTSIDE = [
    Party("client", namespace=(("hermes-live/clients", "true"),)),
    Party("stranger", namespace=(("kubernetes.io/metadata.name", "other"),)),
    Party("neighbour", labels=((NAME, "something-else"),)),
    Party("prometheus", ((NAME, "prometheus"),), IN_MONITORING),
    Party("grafana", ((NAME, "grafana"),), IN_MONITORING),
    Party("dns", (("k8s-app", "kube-dns"),), IN_KUBE_SYSTEM),
    Party("metrics-server", (("k8s-app", "metrics-server"),), IN_KUBE_SYSTEM),
    Party("lan", address="10.20.30.40"),
    Party("internet", address="203.0.113.9"),
    Party("internet6", address="2001:db8::9"),
    Party("metadata", address="169.254.169.254"),
]


@every
def test_arrows_are_those_of_the_design(variant: Variant) -> None:
    if "network-policies" not in variant.components:
        return
    parties = [
        Party(name.removeprefix("hermes-"), tuple(labels(workload).items()))
        for name, workload in variant.workloads.items()
    ]
    redis = "lan" if "external-redis" in variant.components else "redis"
    addresses = ("lan", "internet", "internet6")
    expected = {
        ("client", "gateway", "TCP", 50051),
        ("gateway", "worker", "TCP", 50061),
        *((name, redis, "TCP", 6379) for name in SERVICES),
        *((name, "dns", protocol, 53) for name in SERVICES for protocol in ("TCP", "UDP")),
        *(("prometheus", name, "TCP", port) for name, port in METRICS_PORTS.items()),
        *(("decoder", to, "TCP", p) for to in addresses for p in (554, 8554, 322, 80, 443)),
        *(("worker", to, "TCP", 443) for to in addresses),
    }
    assert arrows(variant.of_kind("NetworkPolicy"), [*parties, *OUTSIDE]) == expected


def test_without_policies_everybody_may_talk() -> None:
    policies = Variant("a100", ("network-policies",)).of_kind("NetworkPolicy")
    parties = [Party("worker", ((NAME, "hermes-worker"),)), *OUTSIDE]
    rest = [policy for policy in policies if policy["metadata"]["name"] != "deny-all"]
    assert ("stranger", "neighbour", "TCP", 1) in arrows(rest, parties)
    assert ("stranger", "neighbour", "TCP", 1) not in arrows(policies, parties)


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


# -- scaling -------------------------------------------------------------------


def triggers(variant: Variant) -> dict[str, Object]:
    (scaled,) = variant.of_kind("ScaledObject")
    return {one["name"]: one for one in scaled["spec"]["triggers"]}


@every
def test_scaling_is_of_the_workers_by_what_they_take(variant: Variant) -> None:
    for scaled in variant.of_kind("ScaledObject"):
        target = scaled["spec"]["scaleTargetRef"]
        assert (target["apiVersion"], target["kind"]) == ("apps/v1", "StatefulSet")
        assert target["name"] in variant.workloads
        taken = variant.environment("hermes-worker")["HERMES_MAX_CAMERAS"]
        assert triggers(variant)["cameras"]["metadata"]["threshold"] == taken


def test_scaling_asks_for_metrics_that_there_are() -> None:
    known = {metric.name for metric in Metrics().registry.collect()} | {"up"}
    for trigger in triggers(Variant("a100", ("keda",))).values():
        query = re.sub(r"\[[^\]]*:[^\]]*\]", "", trigger["metadata"]["query"])
        for selector in parse(query).selectors:
            assert selector.name in known
            (job,) = (value for label, _, value in selector.matchers if label == "job")
            assert job in SETTINGS


CASES: dict[str, tuple[list[tuple[str, str, int]], float | None, float | None]] = {
    # cameras read, owned by worker a, by worker b; what the triggers then say
    "nothing is scraped": ([], None, None),
    "no cameras": ([("up", "a", 1)], 0, 0),
    "all owned": ([("up", "a", 1), ("read", "d", 3), ("own", "a", 2), ("own", "b", 1)], 3, 0),
    "one unassigned": ([("up", "a", 1), ("read", "d", 4), ("own", "a", 2), ("own", "b", 1)], 4, 3),
    "nobody has any": ([("up", "a", 1), ("read", "d", 2)], 2, 1),
    "no decoder": ([("up", "a", 1), ("own", "a", 2)], 2, 0),
}


def series(kind: str, instance: str, count: int, first: int) -> list[str]:
    if kind == "up":
        return [f'up{{job="hermes-worker",instance="{instance}"}}']
    metric, job = {
        "read": ("hermes_camera_state", "hermes-decoder"),
        "own": ("hermes_camera_owner_epoch", "hermes-worker"),
    }[kind]
    return [
        f'{metric}{{job="{job}",instance="{instance}",camera="c{n}"}}'
        for n in range(first, first + count)
    ]


def test_scaling_counts_right(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    asked = triggers(Variant("a100", ("keda",)))
    tests = []
    for name, (observed, cameras, workers) in CASES.items():
        first, given = 0, []
        for kind, instance, count in observed:
            at = first if kind == "own" else 0
            given += series(kind, instance, count, at)
            first += count if kind == "own" else 0
        tests.append(
            {
                "name": name,
                "interval": "15s",
                "input_series": [{"series": one, "values": "1x40"} for one in given],
                "promql_expr_test": [
                    {
                        "expr": asked[trigger]["metadata"]["query"],
                        "eval_time": "5m",
                        "exp_samples": [] if value is None else [{"labels": "{}", "value": value}],
                    }
                    for trigger, value in (("cameras", cameras), ("unassigned", workers))
                ],
            }
        )
    file = tmp_path / "scaling.yml"
    file.write_text(yaml.safe_dump({"tests": tests}))
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
