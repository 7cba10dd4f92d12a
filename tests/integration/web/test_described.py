"""What is described is what is served: requests that schemathesis makes of the description."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.web.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
WITH_A_DECODER = {"/api/v1/probes"}
"""Paths that need a decoder to be of any use."""


@pytest.mark.parametrize("examples", [2, pytest.param(60, marks=pytest.mark.slow)])
async def test_no_fault_and_no_status_that_is_not_described(world: World, examples: int) -> None:
    asked = await asyncio.to_thread(_check_all, world, examples)
    assert len(asked) > 20


def _check_all(world: World, examples: int) -> set[str]:
    """Ask every operation. The operations that were asked."""
    schema = schemathesis.openapi.from_url(f"{world.url}/openapi.json")
    assert schema.raw_schema["openapi"].startswith("3.1")
    asked: set[str] = set()
    found: Any
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path not in WITH_A_DECODER:
            _check(world, operation, examples)
            asked.add(operation.label)
    return asked


def _check(world: World, operation: Any, examples: int) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        response = case.call(headers=world.bearer(), timeout=60)
        assert response.status_code != 500, response.text
        case.validate_response(response, checks=CHECKS)

    check()
