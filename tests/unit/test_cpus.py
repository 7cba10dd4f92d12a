"""CPUs are counted as the system gives them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes.cpus import usable_cpus

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def system(root: Path, groups: str, files: dict[str, str]) -> Path:
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def _many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


@pytest.mark.parametrize(
    ("groups", "files", "count"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "350000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, 4),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "900000 100000"}, 4),
        ("0::/../elsewhere\n", {"cpu.max": "500000 100000"}, 5),
        ("0::/kubepods/pod1/ctr\n", {"cpu.max": "300000 100000"}, 3),
        ("0::/x\n", {"unified/x/cpu.max": "300000 100000"}, 3),
        (
            "4:cpu,cpuacct:/docker/1\n1:name=systemd:/\n",
            {"cpu/cpu.cfs_quota_us": "600000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            6,
        ),
        (
            "4:cpu,x:/d\n",
            {"cpu,x/d/cpu.cfs_quota_us": "250000", "cpu,x/d/cpu.cfs_period_us": "50000"},
            5,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("2:cpuset:/\n", {"cpu.max": "100000 100000"}, 64),
        ("nonsense", {"cpu.max": "100000 100000"}, 64),
        ("0::/\n", {"cpu.max": "lots"}, 64),
    ],
)  # fmt: skip
def test_quotas_count(tmp_path: Path, groups: str, files: dict[str, str], count: int) -> None:
    assert usable_cpus(system(tmp_path, groups, files)) == count


def test_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 64


def test_the_fewest_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 4}, raising=False)
    assert usable_cpus(system(tmp_path, "0::/\n", {"cpu.max": "800000 100000"})) == 2


def test_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 <= usable_cpus() <= HERE
