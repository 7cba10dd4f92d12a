"""gRPC options of clients and servers, and the interceptor that turns errors into statuses."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc_status import rpc_status

from hermes import errors, statuses
from services.common import logs, tracing
from services.common.redaction import redact

log = logs.get(__name__)

HANDSHAKE_TIMEOUT_MS = 10_000
"""Time for a new connection to begin HTTP/2, TLS handshake included; then it is closed."""

MIN_PING_INTERVAL_MS = 4_500
"""Shortest time between a client's pings; a client that pings more often is disconnected."""

KEEPALIVE: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVER_KEEPALIVE: list[tuple[str, int]] = [
    *KEEPALIVE,
    # A client may ping every 5 s, even without a call; gRPC's default answers that with GOAWAY.
    # (The option that limits what a server receives has this name.)
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
    # gRPC's default keeps a connection that sends nothing for two minutes.
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
]

DEADLINE_SLACK_S = 0.1
"""A call cancelled this close to its deadline counts as late, because clocks differ a little."""

CANCELLATION_S = 0.5
"""A call whose client has gone is cancelled within this long."""

INTERNAL_MESSAGE = "internal error; the service's log has the details"

Observe = Callable[[str, grpc.StatusCode], None]
"""Called at the end of every call with its method (`/package.Service/Method`) and its code."""


def status_of(error: errors.HermesError) -> status_pb2.Status:
    """The status of an error, with google.rpc details and without credentials."""
    return statuses.status_of(error, redact)


def code_of_end(error: BaseException, context: Any) -> grpc.StatusCode:
    """The code of a call whose handler raised `error`."""
    if isinstance(error, errors.HermesError):
        return statuses.code_of(error)
    if isinstance(error, asyncio.CancelledError) and _really_cancelled():
        remaining = context.time_remaining()
        late = remaining is not None and remaining <= DEADLINE_SLACK_S
        return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
    if isinstance(error, grpc.aio.AbortError):
        code: grpc.StatusCode = context.code() or grpc.StatusCode.UNKNOWN
        return code
    if isinstance(error, grpc.aio.InternalError):
        return grpc.StatusCode.CANCELLED  # a write to a client that is gone
    return grpc.StatusCode.INTERNAL


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: errors.HermesError) -> NoReturn:
    """End the call with the error's status."""
    await context.abort_with_status(rpc_status.to_status(status_of(error)))
    raise AssertionError("abort_with_status raises")


class OpenCalls:
    """Counts the open calls, and waits until there are none."""

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def opened(self) -> None:
        """Count one more call."""
        self.count += 1
        self._none.clear()

    def closed(self) -> None:
        """Count one call less."""
        self.count -= 1
        if self.count == 0:
            self._none.set()

    async def wait_for_none(self) -> None:
        """Return once no call is open."""
        await self._none.wait()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every call of our own services: turns errors into statuses and counts ended calls.

    A handler may be a coroutine that writes to its context, or an async
    generator, which is always closed before the call ends. An error that is not
    one of ours is logged; the client learns only that the service failed.
    Cancellation passes through. gRPC's own services (health, reflection) are
    not wrapped.
    """

    def __init__(self, calls: OpenCalls, observe: Observe | None = None) -> None:
        self._calls = calls
        self._observe = observe or (lambda method, code: None)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The call's handler, wrapped."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or handler.request_streaming or method.startswith("/grpc."):
            return handler
        return rewrapped(handler, partial(self._unary, method), partial(self._stream, method))

    def _unary(self, method: str, behavior: Any) -> Any:
        async def unary(request: Any, context: Any) -> Any:
            async with self._around(method, context):
                return await behavior(_readable(request), context)

        return unary

    def _stream(self, method: str, behavior: Any) -> Any:
        async def stream(request: Any, context: Any) -> None:
            async with self._around(method, context):
                await write_all(behavior, _readable(request), context)

        return stream

    @asynccontextmanager
    async def _around(self, method: str, context: Any) -> AsyncIterator[None]:
        self._calls.opened()
        call = tracing.begin(method, context)
        code = grpc.StatusCode.OK
        try:
            yield
        except asyncio.CancelledError as error:
            code = code_of_end(error, context)
            if code != grpc.StatusCode.INTERNAL:
                raise
            # Something that the call awaited was cancelled, not the call itself.
            # Passed on, this would leave the client without a status until its deadline.
            log.exception("call_cancelled_from_within", method=method)
            await abort(context, errors.HermesError(INTERNAL_MESSAGE))
        except errors.HermesError as error:
            code = code_of_end(error, context)
            await abort(context, error)
        except (grpc.aio.AbortError, grpc.aio.InternalError) as error:
            code = code_of_end(error, context)
            raise
        except Exception as error:
            code = code_of_end(error, context)
            log.exception("call_failed", method=method)
            await abort(context, errors.HermesError(INTERNAL_MESSAGE))
        finally:
            self._calls.closed()
            self._observe(method, code)
            tracing.end(call, code)


def rewrapped(handler: Any, unary: Callable[[Any], Any], stream: Callable[[Any], Any]) -> Any:
    """A copy of a handler of single requests, with its behavior wrapped by `unary` or `stream`.

    A request that cannot be read is passed on as None: gRPC itself would log a
    traceback for each.
    """

    def read(raw: bytes) -> Any:
        try:
            return handler.request_deserializer(raw)
        except DecodeError:
            return None

    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(
            stream(handler.unary_stream), read, handler.response_serializer
        )
    return grpc.unary_unary_rpc_method_handler(
        unary(handler.unary_unary), read, handler.response_serializer
    )


def _readable(request: Any) -> Any:
    if request is None:
        raise errors.InvalidInput("request", "cannot be read as a message of this method")
    return request


async def write_all(behavior: Any, request: Any, context: Any) -> None:
    """Run a streaming behavior: a coroutine that writes, or a generator, which is closed."""
    try:
        if not inspect.isasyncgenfunction(behavior):
            await behavior(request, context)
            return
        async with aclosing(behavior(request, context)) as responses:
            async for response in responses:
                await context.write(response)
    except grpc.aio.InternalError:
        # A client that leaves fails the write first, and a moment later cancels the call. gRPC
        # would log a traceback for the first.
        await asyncio.sleep(CANCELLATION_S)
        raise


def _really_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
