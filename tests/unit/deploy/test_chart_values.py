"""What the values of the Helm chart mean, and which of them it refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from helm_python import HelmError, lint

from tests.support.chart import (
    CHART,
    PRESETS,
    VALUES,
    Values,
    chart,
    everything,
    found,
    notes,
    rendered,
)
from tests.support.manifests import container, pod


def chart_settings(service: str, values: Values | None = None) -> dict[str, str]:
    """The settings of a service's pods: what comes last counts."""
    objects = rendered(values)
    maps = [found(objects, "ConfigMap", f"hermes-{service}{end}") for end in ("", "-settings")]
    return maps[0]["data"] | maps[1].get("data", {})  # type: ignore[no-any-return]


# Values


def test_helm_has_nothing_against_the_chart() -> None:
    for values in ({}, everything("cpu-dev")):
        report = lint(CHART, values, strict=True)
        assert report["errors"] == []
        # An icon is asked for, by way of information.
        assert [one for one in report["messages"] if one["severity"] > 1] == []


def test_users_values_win_over_the_presets() -> None:
    values: Values = {
        "preset": "h100",
        "worker": {
            "replicas": 0,
            "settings": {
                "HERMES_MAX_CAMERAS": 90,
                "HERMES_DRAIN_S": 200.5,
                "HERMES_KEPT_PICTURES": 33554432,
                "HERMES_REFLECTION": False,
                "HF_ENDPOINT": "https://hub.example.com",
            },
            "gpu": {"resource": "nvidia.com/mig-3g.40gb"},
            "nodeSelectorTerms": [],
            "resources": {"requests": {"memory": "48Gi"}},
        },
        "decoder": {"replicas": 0},
    }
    objects = rendered(values)
    given = chart_settings("worker", values)
    assert given["HERMES_MAX_CAMERAS"] == "90"
    assert given["HERMES_KEPT_PICTURES"] == "33554432"  # no exponent
    assert given["HERMES_REFLECTION"] == "false"
    assert given["HF_ENDPOINT"] == "https://hub.example.com"
    worker = found(objects, "StatefulSet", "hermes-worker")
    assert worker["spec"]["replicas"] == 0
    assert pod(worker)["terminationGracePeriodSeconds"] == 231
    assert "affinity" not in pod(worker)
    asked = container(worker)["resources"]["requests"]
    assert {name for name in asked if "nvidia" in name} == {"nvidia.com/mig-3g.40gb"}
    assert (asked["memory"], asked["cpu"]) == ("48Gi", "4")
    assert found(objects, "Deployment", "hermes-decoder")["spec"]["replicas"] == 0


def test_the_readmes_values_are_accepted() -> None:
    text = (CHART.parent / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    values = yaml.safe_load(block)
    assert chart_settings("worker", values)["HERMES_MAX_CAMERAS"] == "90"


def test_images_are_those_of_a_registry_by_tag_or_digest() -> None:
    digest = f"sha256:{'1' * 64}"
    images = {"registry": "images.example.com/team/", "tag": "7", "digests": {"decoder": digest}}
    objects = rendered({"images": images})
    image = {
        name: container(found(objects, kind, f"hermes-{name}"))["image"]
        for name, kind in (
            ("gateway", "Deployment"),
            ("decoder", "Deployment"),
            ("worker", "StatefulSet"),
        )
    }
    assert image == {
        "gateway": "images.example.com/team/hermes-live-gateway:7",
        "decoder": f"images.example.com/team/hermes-live-decoder@{digest}",
        "worker": "images.example.com/team/hermes-live-worker:7-cuda",
    }


def sums(values: Values | None = None) -> dict[str, str]:
    """The sum of its settings that each workload's pods carry."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["annotations"][
            "checksum/config"
        ]
        for one in rendered(values)
        if one["kind"] in ("Deployment", "StatefulSet")
    }


@pytest.mark.parametrize(
    ("values", "replaced"),
    [
        ({"worker": {"settings": {"HERMES_MAX_CAMERAS": 90}}}, {"hermes-worker"}),
        ({"gateway": {"settings": {"HERMES_LOG_LEVEL": "debug"}}}, {"hermes-gateway"}),
        (VALUES["jwt"], {"hermes-gateway"}),
        (VALUES["checkpoints-s3"], {"hermes-worker"}),
        ({"preset": "h100"}, {"hermes-worker"}),
        (VALUES["monitoring"], set()),
        ({"gateway": {"replicas": 3}}, set()),
        (
            VALUES["tls"],
            {"hermes-redis", "hermes-decoder", "hermes-worker", "hermes-gateway", "hermes-web"},
        ),
    ],
    ids=["worker", "gateway", "jwt", "s3", "preset", "monitoring", "replicas", "tls"],
)
def test_a_changed_setting_replaces_the_pods_that_read_it(
    values: Values, replaced: set[str]
) -> None:
    before, after = sums(), sums(values)
    assert {name for name, one in before.items() if after[name] != one} == replaced


WRONG: list[tuple[Values, str]] = [
    ({"preset": "h1000"}, r"at '/preset': value must be one of 'gpu', 'a100'"),
    ({"presets": "h100"}, "additional properties 'presets' not allowed"),
    ({"worker": {"setings": {}}}, "at '/worker': additional properties 'setings' not allowed"),
    (
        {"worker": {"settings": {"HERMES_MAX_CAMERSA": 3}}},
        "at '/worker/settings': additional properties 'HERMES_MAX_CAMERSA' not allowed",
    ),
    (
        {"worker": {"settings": {"HERMES_MAX_CAMERAS": "many"}}},
        "at '/worker/settings/HERMES_MAX_CAMERAS': got string, want integer",
    ),
    (
        {"worker": {"settings": {"HERMES_MAX_CAMERAS": 0}}},
        "at '/worker/settings/HERMES_MAX_CAMERAS': minimum: got 0, want 1",
    ),
    ({"gateway": {"settings": {"HERMES_LISTEN": ":1"}}}, "'HERMES_LISTEN' not allowed"),
    ({"gateway": {"replicas": -1}}, "at '/gateway/replicas': minimum: got -1, want 0"),
    ({"tls": True}, "at '/tls': got boolean, want object"),
    ({"images": {"digests": {"worker": "abc"}}}, "at '/images/digests/worker': 'abc' does not"),
    ({"worker": {"gpu": {"resource": "gpu"}}}, "at '/worker/gpu/resource': 'gpu' does not match"),
    (
        {"worker": {"resources": {"requests": {"memory": "4 GB"}}}},
        "at '/worker/resources/requests/memory': '4 GB' does not match",
    ),
    ({"auth": {"jwt": {"enabled": True}}}, "at '/auth/jwt/issuer': minLength"),
    ({"checkpoints": {"store": "s3"}}, "at '/checkpoints/url': minLength"),
    ({"ingress": {"enabled": True}}, "at '/ingress/host': minLength"),
    (
        {"keda": {"enabled": True}, "worker": {"replicas": 2}},
        "worker.replicas is set and keda.enabled as well: the number of workers has one owner",
    ),
    ({"modelDownload": {"enabled": True}}, "needs worker.models.existingClaim"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=[text[:50] for _, text in WRONG])
def test_a_wrong_value_is_refused_by_name(values: Values, message: str) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(values)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 5  # it, and no more


def test_every_value_is_described_and_every_value_of_the_file_is_known() -> None:
    whole = json.loads((CHART / "values.schema.json").read_text())

    def walk(schema: Any, path: str) -> None:
        reference = schema.get("$ref", "").rpartition("/")[2]
        full = {**whole["$defs"].get(reference, {}), **schema}
        assert full.get("description") or path == "", path
        if full.get("type") == "object" and "properties" in full:
            assert full["additionalProperties"] is False, path
        for name, inner in full.get("properties", {}).items():
            walk(inner, f"{path}.{name}")

    walk(whole, "")
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values.keys() | {"global"} == whole["properties"].keys()
    assert chart().values.keys() == values.keys()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_what_its_file_is_named_for_and_knows_its_settings(preset: str) -> None:
    whole = json.loads((CHART / "values.schema.json").read_text())["properties"]
    assert set(whole["preset"]["enum"]) == {path.stem for path in (CHART / "presets").iterdir()}
    for service, given in yaml.safe_load(
        (CHART / "presets" / f"{preset}.yaml").read_text()
    ).items():
        known = whole[service]["properties"]
        assert given.keys() <= {*known, "defaults"}
        assert (
            given.get("defaults", {}).keys()
            <= known.get("settings", {}).get("properties", {}).keys()
        )


# After an install


def test_the_notes_say_what_is_open() -> None:
    open_to_all = notes()
    for word in ("auth.tokens", "networkPolicies.enabled", "tls.enabled", "checkpoints.store"):
        assert word in open_to_all
        assert word not in notes(everything())
