"""The guard: the one place that decides whether a call is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import grpc
import grpc.aio

from hermes.errors import HermesError, LimitReached, PermissionDenied
from services.common.metrics import Metrics
from services.common.rpc import rewrapped, write_all
from services.query_gateway.access.audit import Audit
from services.query_gateway.access.authenticator import Authenticator
from services.query_gateway.access.current import CurrentCall, serving
from services.query_gateway.access.limits import CallerLimits
from services.query_gateway.access.rules import RULES, Rule
from services.query_gateway.access.scopes import Caller
from services.query_gateway.access.token_limits import NONE, TokenLimits

HEALTH = "/grpc.health.v1.Health/"
"""Open to all: load balancers have no token."""


class Guard(grpc.aio.ServerInterceptor):
    """Checks every call except health: the caller's token, its limits, its scopes.

    A method without a rule is not served (UNIMPLEMENTED), so that no method is
    left open by mistake.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        limits: CallerLimits,
        audit: Audit,
        metrics: Metrics,
        defaults: TokenLimits = NONE,
    ) -> None:
        """`defaults`: the limits of tokens that name none of their own."""
        self._authenticator = authenticator
        self._limits = limits
        self._audit = audit
        self._metrics = metrics
        self._defaults = defaults

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The call's handler, guarded; None if the method has no rule."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or method.startswith(HEALTH):
            return handler
        rule = RULES.get(method)
        if rule is None or handler.request_streaming:
            return None
        around = partial(self._around, method, rule)
        return rewrapped(handler, partial(_unary, around, rule), partial(_stream, around))

    @asynccontextmanager
    async def _around(
        self, method: str, rule: Rule, request: Any, context: Any
    ) -> AsyncIterator[Caller]:
        metadata = tuple(context.invocation_metadata() or ())
        try:
            with self._counting():
                caller = await self._authenticator.caller(metadata)
        except HermesError as error:
            self._audit.stranger(method, error, context)
            raise
        camera_id = "" if rule.camera is None else rule.camera(request)
        call = CurrentCall(caller, renew=partial(self._authenticator.caller, metadata))
        subject = rule.subject(request)
        with (
            serving(call),
            self._audit.call(call, method, rule.action, camera_id, request, context, subject),
        ):
            with self._counting():
                most_followers = caller.limits.over(self._defaults).followers or 0
                self._limits.enter(caller.who, follows=rule.follows, most_followers=most_followers)
            try:
                if rule.camera is not None:
                    with self._counting():
                        caller.check(rule.action, camera_id)
                if rule.filtered:
                    with self._counting():
                        caller.check_any(rule.action)
                # Of a servicer that filters, or that counts what the caller holds.
                with self._counting((PermissionDenied, LimitReached)):
                    yield caller
            finally:
                self._limits.leave(caller.who, follows=rule.follows)

    @contextmanager
    def _counting(
        self, kinds: type[HermesError] | tuple[type[HermesError], ...] = HermesError
    ) -> Iterator[None]:
        """Count refusals inside, of these kinds."""
        try:
            yield
        except kinds as error:
            self._metrics.refused_calls.labels(error.reason).inc()
            raise


def _unary(around: Any, rule: Rule, behavior: Any) -> Any:
    async def unary(request: Any, context: Any) -> Any:
        async with around(request, context) as caller:
            return rule.show(await behavior(request, context), caller)

    return unary


def _stream(around: Any, behavior: Any) -> Any:
    async def stream(request: Any, context: Any) -> None:
        async with around(request, context):
            await write_all(behavior, request, context)

    return stream
