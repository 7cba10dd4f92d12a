"""Pods are given what the services need, and no more: settings, probes, rights, room, time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from services.common.leases import TTL_S
from services.common.settings import ProcessSettings, ServiceSettings, load
from services.common.tls import TlsServerSettings
from services.decoder.settings import DecoderSettings
from services.decoder.supervisor import STOP_GRACE_S
from services.hermes_worker.settings import WorkerSettings
from services.notifier.settings import NotifierSettings
from services.query_gateway.settings import GatewaySettings
from services.web.settings import WebSettings
from tests.support.manifests import KUBECTL, NAME, Variant, container, pod, quantity, references
from tests.support.variants import every

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

SETTINGS: dict[str, type[ProcessSettings]] = {
    "hermes-decoder": DecoderSettings,
    "hermes-worker": WorkerSettings,
    "hermes-gateway": GatewaySettings,
    "hermes-notifier": NotifierSettings,
    "hermes-web": WebSettings,
}
PORTS = {
    "hermes-worker": ("grpc", 50061),
    "hermes-gateway": ("grpc", 50051),
    "hermes-web": ("http", 8000),
}
"""What others call."""


def test_only_what_can_be_done_without_is_optional() -> None:
    found: dict[str, set[bool]] = {}
    for workload in Variant("a100", ("tokens", "checkpoints-s3")).workloads.values():
        for kind, name, optional in references(pod(workload)):
            if kind == "Secret":
                found.setdefault(name, set()).add(optional)
    assert found == {
        "hermes-redis": {False},
        "hermes-tokens": {False},
        "hermes-model-hub": {True},
        "hermes-checkpoints-s3": {True},
    }


@cache
def loaded(service: str, variables: frozenset[tuple[str, str]]) -> ProcessSettings:
    """What a service makes of its variables; most variants give it the same ones."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in variables:
            patched.setenv(name, value)
        return load(SETTINGS[service], service, [])


@every
def test_variables_are_settings(variant: Variant) -> None:
    tls = "tls" in variant.components
    for name in variant.services:
        kind = SETTINGS[name]
        given = variant.environment(name)
        own = {key: value for key, value in given.items() if key.startswith("HERMES_")}
        assert {key.removeprefix("HERMES_").lower() for key in own} <= set(kind.model_fields)
        settings = loaded(name, frozenset(own.items()))
        ports = {p["name"]: p["containerPort"] for p in container(variant.workloads[name])["ports"]}
        assert ports["metrics"] == settings.metrics_port
        assert settings.instance == f"{name}-0"
        if isinstance(settings, ServiceSettings):
            assert settings.redis_url.startswith("rediss://" if tls else "redis://")
            user = name if "redis-acl" in variant.components else ""
            assert settings.redis_username == user
            assert bool(settings.redis_password_file) is bool(user)
            assert bool(settings.redis_tls_ca_file) is tls
        if isinstance(settings, TlsServerSettings):
            assert bool(settings.server_tls) is tls
        if isinstance(settings, GatewaySettings):
            assert bool(settings.worker_tls) is tls
            assert settings.authenticated is bool({"tokens", "jwt"} & set(variant.components))
        if isinstance(settings, WebSettings):
            assert settings.gateway == "hermes-gateway:50051"
            assert bool(settings.gateway_tls) is tls
        if name in PORTS:
            kind_of_port, number = PORTS[name]
            assert ports[kind_of_port] == number
            assert getattr(settings, "listen").endswith(f":{number}")  # noqa: B009
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
        ids = {
            spec["securityContext"].get(key, 0) for key in ("runAsUser", "runAsGroup", "fsGroup")
        }
        if "openshift" in variant.components:  # which gives its own
            assert ids == {0}
        else:
            assert min(ids) > 0
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
        if name == "hermes-worker":
            assert tag.endswith("-cuda") is (variant.overlay != "cpu-dev")


@every
def test_paths_that_are_written_to_are_volumes(variant: Variant) -> None:
    for name in variant.services:
        mounts = container(variant.workloads[name])["volumeMounts"]
        writable = [Path(m["mountPath"]) for m in mounts if not m.get("readOnly")]
        read = [Path(m["mountPath"]) for m in mounts if m.get("readOnly")]
        assert Path("/tmp") in writable
        for variable, value in variant.environment(name).items():
            if value.startswith("/"):
                shared = variable == "HF_HOME" and "models-claim" in variant.components
                paths = read if shared or variable.endswith(("_FILE", "_SINKS")) else writable
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
def test_workers_find_their_gpus_by_whoever_labels_nodes(variant: Variant) -> None:
    worker = pod(variant.workloads["hermes-worker"])
    wanted = "nvidia" if "runtime-class" in variant.components else None
    assert worker.get("runtimeClassName") == wanted
    if variant.overlay == "cpu-dev":
        assert "affinity" not in worker
        return
    required = worker["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    # Terms are alternatives; what is in one of them has to hold together.
    labels = [term["matchExpressions"][0]["key"] for term in required["nodeSelectorTerms"]]
    assert labels == [
        "nvidia.com/gpu.product",
        *(["cloud.google.com/gke-accelerator"] if variant.overlay != "l40s" else []),  # it has none
        "karpenter.k8s.aws/instance-gpu-name",
    ]


@every
def test_pods_lie_apart_with_zones_and_without(variant: Variant) -> None:
    """A scheduler spreads nothing over nodes that lack the label of one of several constraints."""
    for name, workload in variant.workloads.items():
        if name == "hermes-redis":
            continue
        mine = {"matchLabels": {NAME: name}}
        replaced_at_once = workload["kind"] == "Deployment"
        revisions = {"matchLabelKeys": ["pod-template-hash"]} if replaced_at_once else {}
        (constraint,) = pod(workload)["topologySpreadConstraints"]
        assert constraint == {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": mine,
            **revisions,
        }
        if name in ("hermes-gateway", "hermes-web"):
            apart = pod(workload)["affinity"]["podAntiAffinity"]
            (preferred,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
            assert preferred["podAffinityTerm"] == {
                "topologyKey": "topology.kubernetes.io/zone",
                "labelSelector": mine,
                **revisions,
            }


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
    workers = 1 if variant.overlay == "cpu-dev" else 2  # as the README says
    cameras = workers * int(variant.environment("hermes-worker")["HERMES_MAX_CAMERAS"])
    assert cameras * 13.3 * 2**20 <= data  # the README's frame log
    (claim,) = redis["spec"]["volumeClaimTemplates"]
    assert 4 * data <= quantity(claim["spec"]["resources"]["requests"]["storage"])
    maps = [one.get("data", {}) for one in variant.of_kind("ConfigMap")]
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
    cameras = int(variant.environment("hermes-worker")["HERMES_MAX_CAMERAS"])
    # Two thirds of it are for handing over (docs/durability.md): 250 MB each, at 333 MB/s.
    assert drain >= 1.5 * cameras * 250 / 333
    for name in ("hermes-gateway", "hermes-web"):
        drain = float(variant.environment(name)["HERMES_DRAIN_GRACE_S"])
        hook = container(variant.workloads[name])["lifecycle"]["preStop"]
        assert grace[name] >= hook["sleep"]["seconds"] + drain + 10
    assert grace["hermes-decoder"] >= STOP_GRACE_S + 5 + TTL_S
