"""gRPC options that all sides share, and errors as statuses in one place."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from hermes import errors
from hermes.statuses import ERROR_DOMAIN
from services.common import logs, tracing
from services.common.redaction import redact

log = logs.get(__name__)

KEEPALIVE: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVER_KEEPALIVE: list[tuple[str, int]] = [
    *KEEPALIVE,
    # Clients may ping as often as ours do; the default answers that with GOAWAY.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]

DEADLINE_SLACK_S = 0.1
"""A call cancelled this short before its deadline ran into it: the client's clock is ahead."""

INTERNAL_MESSAGE = "internal error; the service's log has the details"

_CODES: list[tuple[type[errors.HermesError], int, grpc.StatusCode]] = [
    (errors.InvalidInput, code_pb2.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.CameraNotFound, code_pb2.NOT_FOUND, grpc.StatusCode.NOT_FOUND),
    (errors.CameraExists, code_pb2.ALREADY_EXISTS, grpc.StatusCode.ALREADY_EXISTS),
    (errors.CameraNotOwned, code_pb2.FAILED_PRECONDITION, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Overloaded, code_pb2.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Retryable, code_pb2.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
    (errors.DeadlineExceeded, code_pb2.DEADLINE_EXCEEDED, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Unauthenticated, code_pb2.UNAUTHENTICATED, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, code_pb2.PERMISSION_DENIED, grpc.StatusCode.PERMISSION_DENIED),
    (errors.Unsupported, code_pb2.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
]

Observe = Callable[[str, grpc.StatusCode], None]
"""Told of every call that ended: its method (`/package.Service/Method`) and its code."""


def status_of(error: errors.HermesError) -> status_pb2.Status:
    """The status that an error becomes, with google.rpc details."""
    code = next((code for kind, code, _ in _CODES if isinstance(error, kind)), code_pb2.INTERNAL)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN)
    if isinstance(error, (errors.CameraNotFound, errors.CameraExists, errors.CameraNotOwned)):
        info.metadata["camera_id"] = redact(error.camera_id)
    details: list[Message] = [info]
    if isinstance(error, errors.InvalidInput):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=redact(error.message)
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, errors.Retryable):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        item = any_pb2.Any()
        item.Pack(detail)
        packed.append(item)
    return status_pb2.Status(code=code, message=redact(str(error)), details=packed)


def code_of(error: errors.HermesError) -> grpc.StatusCode:
    """The gRPC code of an error."""
    return next((c for kind, _, c in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def code_of_end(error: BaseException, context: Any) -> grpc.StatusCode:
    """The code with which a call ends whose handler raised this."""
    if isinstance(error, errors.HermesError):
        return code_of(error)
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
    """How many calls are open, and when there are none."""

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def opened(self) -> None:
        """One more."""
        self.count += 1
        self._none.clear()

    def closed(self) -> None:
        """One less."""
        self.count -= 1
        if self.count == 0:
            self._none.set()

    async def wait_for_none(self) -> None:
        """Return once no call is open."""
        await self._none.wait()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Stands around every call of our own services: errors become statuses, ends are counted.

    A handler may be a coroutine that writes to its context or an async
    generator; a generator is closed before the call ends, however it ends.
    An error that is not one of ours is logged, and tells the client nothing.
    Cancellation passes through. gRPC's own services (health, reflection) are
    left alone.
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
            # Nobody cancelled this call: something that it awaited was. Passed
            # on, it would leave the client without any status until its deadline.
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
    """A handler of calls with one request, its behavior passed through `unary` or `stream`.

    A request that cannot be read comes as None: gRPC itself would write a
    traceback into the log for each.
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
        raise errors.InvalidInput("request", "cannot be read; it is no message of this method")
    return request


async def write_all(behavior: Any, request: Any, context: Any) -> None:
    """Run a streaming behavior: a coroutine that writes, or a generator, which is closed."""
    if not inspect.isasyncgenfunction(behavior):
        await behavior(request, context)
        return
    async with aclosing(behavior(request, context)) as responses:
        async for response in responses:
            await context.write(response)


def _really_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
