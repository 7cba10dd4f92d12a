"""Who may talk to whom: the arrows of the design, and no other."""

from __future__ import annotations

import kubernetes_validate
import pytest

from services.common.cameras import NETWORK_PROTOCOLS
from tests.support.manifests import KUBECTL, NAME, VERSIONS, Variant, labels, readme
from tests.support.policies import Party, arrows
from tests.support.variants import every

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

METRICS_PORTS = {"gateway": 9101, "worker": 9102, "decoder": 9103, "notifier": 9104, "web": 9105}
SINK_PORTS = (443, 1883, 8883, 9093)
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
CAMERA_PORTS = {*DEFAULT_PORTS.values(), 8554}
IN_MONITORING = (("kubernetes.io/metadata.name", "monitoring"),)
IN_OPENSHIFT_DNS = (("kubernetes.io/metadata.name", "openshift-dns"),)
IN_KUBE_SYSTEM = (("kubernetes.io/metadata.name", "kube-system"),)
OUTSIDE = [
    Party("client", namespace=(("hermes-live/clients", "true"),)),
    Party("stranger", namespace=(("kubernetes.io/metadata.name", "other"),)),
    Party("neighbour", labels=((NAME, "something-else"),)),
    Party("prometheus", ((NAME, "prometheus"),), IN_MONITORING),
    Party("alertmanager", ((NAME, "alertmanager"),), IN_MONITORING),
    Party("grafana", ((NAME, "grafana"),), IN_MONITORING),
    Party("collector", ((NAME, "opentelemetry-collector"),), IN_MONITORING),
    Party("dns", (("k8s-app", "kube-dns"),), IN_KUBE_SYSTEM),
    Party(
        "openshift-dns", (("dns.operator.openshift.io/daemonset-dns", "default"),), IN_OPENSHIFT_DNS
    ),
    Party("metrics-server", (("k8s-app", "metrics-server"),), IN_KUBE_SYSTEM),
    Party("lan", address="10.20.30.40"),
    Party("internet", address="203.0.113.9"),
    Party("internet6", address="2001:db8::9"),
    Party("metadata", address="169.254.169.254"),
]
ADDRESSES = ("lan", "internet", "internet6")


def parties(variant: Variant) -> list[Party]:
    inside = variant.workloads.items()
    ours = [Party(name.removeprefix("hermes-"), tuple(labels(one).items())) for name, one in inside]
    return [*ours, *OUTSIDE]


def dns(variant: Variant, protocol: str) -> tuple[str, str, int]:
    if "openshift" in variant.components:
        return "openshift-dns", protocol, 5353
    return "dns", protocol, 53


@every
def test_arrows_are_those_of_the_design(variant: Variant) -> None:
    if "network-policies" not in variant.components:
        return
    redis, redis_ports = "redis", [6379]
    if "external-redis" in variant.components:
        redis, redis_ports = "lan", [6379, 6380, 26379]
    metrics_ports = {
        name: port for name, port in METRICS_PORTS.items() if f"hermes-{name}" in variant.services
    }
    of_redis = metrics_ports.keys() - {"web"}
    expected = {
        ("client", "gateway", "TCP", 50051),
        ("client", "web", "TCP", 8000),
        ("web", "gateway", "TCP", 50051),
        ("gateway", "worker", "TCP", 50061),
        *((name, redis, "TCP", port) for name in of_redis for port in redis_ports),
        *((name, *dns(variant, protocol)) for name in metrics_ports for protocol in ("TCP", "UDP")),
        *(("prometheus", name, "TCP", port) for name, port in metrics_ports.items()),
        *(("decoder", to, "TCP", port) for to in ADDRESSES for port in CAMERA_PORTS),
        *(("worker", to, "TCP", 443) for to in ADDRESSES),
    }
    if "notifier" in variant.components:
        expected |= {("notifier", to, "TCP", port) for to in ADDRESSES for port in SINK_PORTS}
        expected |= {("notifier", "alertmanager", "TCP", 9093)}
    if "load-balancer" in variant.components:
        expected |= {("lan", "gateway", "TCP", 50051)}
    if "jwt" in variant.components:
        expected |= {("gateway", to, "TCP", 443) for to in ADDRESSES}
    assert arrows(variant.of_kind("NetworkPolicy"), parties(variant)) == expected


def test_every_protocol_of_cameras_has_its_port() -> None:
    assert set(DEFAULT_PORTS) == NETWORK_PROTOCOLS


def test_the_rule_for_traces_adds_its_two_arrows_and_no_other() -> None:
    (rule,) = (one for one in readme() if one.get("kind") == "NetworkPolicy")
    for version in VERSIONS:
        kubernetes_validate.validate(rule, version, strict=True)
    variant = Variant("a100", ("network-policies",))
    policies = variant.of_kind("NetworkPolicy")
    without = arrows(policies, parties(variant))
    assert arrows([*policies, rule], parties(variant)) - without == {
        (name, "collector", "TCP", 4317) for name in ("gateway", "worker")
    }


def test_without_policies_everybody_may_talk() -> None:
    policies = Variant("a100", ("network-policies",)).of_kind("NetworkPolicy")
    everybody = [Party("worker", ((NAME, "hermes-worker"),)), *OUTSIDE]
    rest = [policy for policy in policies if policy["metadata"]["name"] != "deny-all"]
    assert ("stranger", "neighbour", "TCP", 1) in arrows(rest, everybody)
    assert ("stranger", "neighbour", "TCP", 1) not in arrows(policies, everybody)
