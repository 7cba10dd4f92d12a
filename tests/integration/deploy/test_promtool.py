"""What promtool finds in the configuration, the rules and the alerts' own tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import scaled_rules
from tests.support.monitoring import ALERTS, PROMETHEUS, RECORDED
from tests.support.prometheus import need

CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))


def promtool(*arguments: str | Path) -> str:
    """What it prints. Fails the test if it finds something wrong."""
    done = subprocess.run(
        [need("promtool"), *arguments], capture_output=True, text=True, timeout=100
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_the_configuration_is_valid() -> None:
    output = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert "2 rule files found" in output
    assert "is valid prometheus config" in output


def test_all_rules_are_valid() -> None:
    found = (("recording.yml", len(RECORDED)), ("alerts.yml", len(ALERTS)))
    for name, count in found:
        output = promtool("check", "rules", PROMETHEUS / "rules" / name)
        assert f"SUCCESS: {count} rules found" in output


def test_rules_in_less_time_are_valid_too(tmp_path: Path) -> None:
    recording, alerts = scaled_rules.write(tmp_path, 30, {})
    assert f"SUCCESS: {len(RECORDED)} rules found" in promtool("check", "rules", recording)
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", alerts)


@pytest.mark.parametrize("case", CASES, ids=[path.stem for path in CASES])
def test_alerts_fire_when_they_should_and_only_then(case: Path) -> None:
    output = promtool("test", "rules", case)
    assert case.name in output
    assert "SUCCESS" in output
