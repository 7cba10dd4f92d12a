"""Which calls the guard lets through, and which methods it does not serve."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from services.common.metrics import Metrics
from services.query_gateway.access.audit import Audit
from services.query_gateway.access.authenticator import Authenticator
from services.query_gateway.access.guard import Guard
from services.query_gateway.access.limits import CallerLimits
from tests.support.api import METHODS


async def guarded(method: str, handler: Any) -> Any:
    async def continuation(details: object) -> Any:
        return handler

    guard = Guard(
        Authenticator(None, None), CallerLimits(1, 1, 1), Audit(with_questions=False), Metrics()
    )
    details: Any = SimpleNamespace(method=method)
    return await guard.intercept_service(continuation, details)


def answer(request: Any, context: Any) -> Any:
    raise AssertionError("no call should get here")


async def test_only_health_is_open_to_all() -> None:
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    assert await guarded("/grpc.health.v1.Health/Check", handler) is handler
    for method in METHODS:
        guarded_one = await guarded(method, handler)
        assert guarded_one.unary_unary not in (None, answer)


@pytest.mark.parametrize(
    "method",
    [
        "/hermes.v1.QueryService/New",
        "/hermes.v1.WorkerService/Ask",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.HealthX/Check",
    ],
)
async def test_a_method_without_a_rule_is_not_served(method: str) -> None:
    assert await guarded(method, grpc.unary_unary_rpc_method_handler(answer)) is None


async def test_streams_of_requests_are_not_served() -> None:
    """Their requests arrive one by one: the check of the first would cover all of them."""
    for make in (grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler):
        assert await guarded("/hermes.v1.QueryService/Ask", make(answer)) is None
    assert await guarded("/hermes.v1.QueryService/Ask", None) is None
