"""What the chart has from elsewhere is current."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from scripts import generate_chart
from tests.support.chart import CHART
from tests.support.dockerfile import ROOT

CURRENT = generate_chart.current()


@pytest.mark.parametrize("path", CURRENT, ids=lambda path: path.name)
def test_a_generated_file_is_current(path: Path) -> None:
    assert path.read_text() == CURRENT[path]


def test_nothing_else_lies_among_the_copies() -> None:
    copied = {path for path in (CHART / "files").rglob("*") if path.is_file()}
    assert copied == set(generate_chart.copies())


def test_every_setting_is_a_value_or_made_of_another() -> None:
    for kind in generate_chart.SETTINGS.values():
        described = generate_chart.settings_of(kind)["properties"]
        names = {name.removeprefix("HERMES_").lower() for name in described}
        assert names | generate_chart.OF_THE_CHART >= set(kind.model_fields)
        assert not names & generate_chart.OF_THE_CHART


def test_versions_are_the_packages() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == package
