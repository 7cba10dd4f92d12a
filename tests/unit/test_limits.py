"""Limits that several processes must agree on come from one place."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hermes import limits
from hermes.engine import EngineConfig
from services.hermes_worker.settings import WorkerSettings
from services.query_gateway.settings import GatewaySettings

ENGINE_FIELDS = [
    field.name
    for field in fields(EngineConfig)
    if field.name in WorkerSettings.model_fields and field.name != "ingest"
]


def defaults(kind: type[WorkerSettings] | type[GatewaySettings]) -> dict[str, object]:
    return {name: field.default for name, field in kind.model_fields.items()}


@pytest.mark.parametrize("name", ENGINE_FIELDS)
def test_a_worker_has_the_engines_defaults(name: str) -> None:
    assert defaults(WorkerSettings)[name] == getattr(EngineConfig(), name)


def test_a_worker_takes_in_changes_where_an_engine_would_not() -> None:
    assert defaults(WorkerSettings)["ingest"] == "auto"
    assert EngineConfig().ingest == "full"


def test_a_workers_settings_reach_its_engine() -> None:
    settings = WorkerSettings(
        model="a/b", max_cameras=3, max_answer_tokens=70, slice_ms=20, max_wait_s=2
    )
    config = settings.engine_config()
    assert (config.max_cameras, config.max_answer_tokens) == (3, 70)
    assert (config.slice_s, config.max_wait_s) == (0.02, 2)
    assert WorkerSettings(model="a/b").engine_config() == EngineConfig(ingest="auto")


def test_the_gateway_refuses_what_a_worker_would_refuse_for_size() -> None:
    gateway, worker = defaults(GatewaySettings), defaults(WorkerSettings)
    assert gateway["max_answer_tokens"] == worker["max_answer_tokens"]
    assert gateway["max_open_questions"] == worker["max_questions"]


@pytest.mark.parametrize("name", [name for name in ENGINE_FIELDS if name != "policy"])
def test_a_limit_has_one_bound(name: str) -> None:
    limit = getattr(limits, name.upper())
    least = limit.at_least
    outside = limit.above if least is None else least - (1 if isinstance(least, int) else 1e-9)
    with pytest.raises(ValueError, match=name):
        WorkerSettings.model_validate({name: outside})
    with pytest.raises(ValueError, match=name):
        EngineConfig(**{name: outside})
    if least is not None:
        settings = WorkerSettings.model_validate({"model": "a/b", name: least})
        assert getattr(settings.engine_config(), name) == least
        assert getattr(EngineConfig(**{name: least}), name) == least
