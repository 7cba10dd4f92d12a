"""Which services a local run starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.cli.local import LocalSettings, start_services
from services.cli.processes import Pipeline


class Started(Pipeline):
    """Starts nothing, and notes what would be."""

    def start_redis(self) -> Any:
        self.settings: dict[str, dict[str, Any]] = {}
        return SimpleNamespace(origin="none")

    def start(self, name: str, module: str, **settings: Any) -> Any:
        self.settings[name] = settings
        return SimpleNamespace(ready=lambda: {"address": f"{name}:1"}, log=self.folder)


@pytest.mark.parametrize("sinks", [None, Path("/etc/sinks.yaml")])
def test_a_notifier_is_started_where_there_are_sinks(tmp_path: Path, sinks: Path | None) -> None:
    pipeline, said = Started(tmp_path), list[str]()
    address = start_services(pipeline, LocalSettings(sinks=sinks), said.append)
    assert address == "gateway:1"
    assert ("notifier" in pipeline.settings) is (sinks is not None)
    assert ("notifier: ready" in said) is (sinks is not None)
    if sinks is not None:
        assert pipeline.settings["notifier"] == {"sinks": sinks}
