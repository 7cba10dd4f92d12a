"""Which services a local run starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.cli import http_door
from services.cli.http_door import ANY_PORT, DEFAULT, start_door, ways_in
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


@pytest.mark.parametrize(
    ("listen", "taken", "bound"),
    [
        ("", False, DEFAULT),
        ("", True, ANY_PORT),
        ("0.0.0.0:9000", True, "0.0.0.0:9000"),
    ],
)
def test_the_http_door_is_at_the_usual_port_if_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen: str, taken: bool, bound: str
) -> None:
    why = "another program has it" if taken else ""
    monkeypatch.setattr(http_door, "why_not_listen", lambda address: why)
    pipeline, said = Started(tmp_path), list[str]()
    pipeline.start_redis()
    assert start_door(pipeline, "gateway:1", listen, said.append) == "http://web:1"
    assert said == ["HTTP: http://web:1"]
    settings = pipeline.settings["web"]
    assert (settings["listen"], settings["gateway"]) == (bound, "gateway:1")


def test_people_are_told_where_the_console_is() -> None:
    console, others = ways_in("http://web:1")
    assert console == "Console: [bold]http://web:1/[/]"
    assert "http://web:1/v1" in others


def test_the_http_door_may_be_off(tmp_path: Path) -> None:
    pipeline = Started(tmp_path)
    pipeline.start_redis()
    assert start_door(pipeline, "gateway:1", "off", print) is None
    assert pipeline.settings == {}
