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
    workers = 1 if variant.overlay == "cpu-dev" else 2  # as the README says
    taken = workers * int(variant.environment("hermes-worker")["HERMES_MAX_CAMERAS"])
    decoders = variant.workloads["hermes-decoder"]["spec"]["replicas"]
    assert taken <= decoders * int(variant.environment("hermes-decoder")["HERMES_CAPACITY"])


def triggers(variant: Variant) -> dict[str, Object]:
    (scaled,) = variant.of_kind("ScaledObject")
    return {one["name"]: one for one in scaled["spec"]["triggers"]}


@every
def test_scaling_is_of_the_workers_by_what_they_take(variant: Variant) -> None:
    for scaled in variant.of_kind("ScaledObject"):
        target = scaled["spec"]["scaleTargetRef"]
        assert (target["apiVersion"], target["kind"]) == ("apps/v1", "StatefulSet")
        assert target["name"] in variant.workloads
        # What a worker has room for comes from the workers: no number here could disagree with it.
        assert {one["metadata"]["threshold"] for one in triggers(variant).values()} == {"1"}


def test_scaling_asks_for_metrics_that_there_are() -> None:
    known = {metric.name for metric in Metrics().registry.collect()} | {"up"}
    for trigger in triggers(Variant("a100", ("keda",))).values():
        query = re.sub(r"\[[^\]]*:[^\]]*\]", "", trigger["metadata"]["query"])
        for selector in parse(query).selectors:
            assert selector.name in known
            (job,) = (value for label, _, value in selector.matchers if label == "job")
            assert job in SERVICES


CASES: dict[str, tuple[list[tuple[str, str, int]], float | None, float | None]] = {
    # cameras read, owned by worker a, by worker b; rooms of workers; what the triggers then say
    "nothing is scraped": ([], None, None),
    "no cameras": ([("up", "a", 1), ("room", "a", 2)], 0, 0),
    "all owned": (
        [("up", "a", 1), ("room", "a", 2), ("read", "d", 3), ("own", "a", 2), ("own", "b", 1)],
        1.5,
        0,
    ),
    "one unassigned": (
        [("up", "a", 1), ("room", "a", 2), ("read", "d", 4), ("own", "a", 2), ("own", "b", 1)],
        2,
        3,
    ),
    "nobody has any": ([("up", "a", 1), ("room", "a", 4), ("read", "d", 2)], 0.5, 1),
    "no decoder": ([("up", "a", 1), ("room", "a", 2), ("own", "a", 2)], 1, 0),
    "rooms differ": ([("up", "a", 1), ("room", "a", 2), ("room", "b", 4), ("read", "d", 6)], 2, 1),
    "another still loads": (
        [("up", "a", 1), ("room", "a", 2), ("room", "b", 0), ("read", "d", 6)],
        3,
        1,
    ),
    "all still load": ([("up", "a", 1), ("room", "a", 0), ("read", "d", 2)], None, 1),
}


def series(kind: str, instance: str, count: int, first: int) -> list[dict[str, str]]:
    if kind in ("up", "room"):
        metric, value = {"up": ("up", 1), "room": ("hermes_camera_capacity", count)}[kind]
        labels = f'job="hermes-worker",instance="{instance}"'
        return [{"series": f"{metric}{{{labels}}}", "values": f"{value}x40"}]
    metric, job = {
        "read": ("hermes_camera_state", "hermes-decoder"),
        "own": ("hermes_camera_owner_epoch", "hermes-worker"),
    }[kind]
    return [
        {
            "series": f'{metric}{{job="{job}",instance="{instance}",camera="c{n}"}}',
            "values": "1x40",
        }
        for n in range(first, first + count)
    ]


def test_scaling_counts_right(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    asked = triggers(Variant("a100", ("keda",)))
    tests = []
    for name, (observed, cameras, workers) in CASES.items():
        first = 0
        given: list[dict[str, str]] = []
        for kind, instance, count in observed:
            at = first if kind == "own" else 0
            given += series(kind, instance, count, at)
            first += count if kind == "own" else 0
        tests.append(
            {
                "name": name,
                "interval": "15s",
                "input_series": given,
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
