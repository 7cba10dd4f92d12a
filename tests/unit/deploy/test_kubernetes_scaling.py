"""How many there are: of what, and by which metrics."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from services.common.metrics import Metrics
from tests.support.manifests import KUBECTL, SERVICES, Object, Variant
from tests.support.promql import parse
from tests.support.variants import every

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


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
            assert job in SERVICES


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
