"""gRPC set-up that the gateway and the workers share, and errors as statuses in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from hermes import errors
from services.common import logs
from services.common.redaction import redact

log = logs.get(__name__)

ERROR_DOMAIN = "hermes.v1"

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

_CODES: list[tuple[type[errors.HermesError], int, grpc.StatusCode]] = [
    (errors.InvalidInput, code_pb2.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.CameraNotFound, code_pb2.NOT_FOUND, grpc.StatusCode.NOT_FOUND),
    (errors.CameraExists, code_pb2.ALREADY_EXISTS, grpc.StatusCode.ALREADY_EXISTS),
    (errors.CameraNotOwned, code_pb2.FAILED_PRECONDITION, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Overloaded, code_pb2.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Retryable, code_pb2.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
    (errors.DeadlineExceeded, code_pb2.DEADLINE_EXCEEDED, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Unsupported, code_pb2.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
]


def status_of(error: errors.HermesError) -> status_pb2.Status:
    """The status that an error becomes, with google.rpc details."""
    code = next((code for kind, code, _ in _CODES if isinstance(error, kind)), code_pb2.INTERNAL)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN)
    ]
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


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: errors.HermesError) -> NoReturn:
    """End the call with the error's status."""
    await context.abort_with_status(rpc_status.to_status(status_of(error)))
    raise AssertionError("abort_with_status raises")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns exceptions into statuses. An unknown one is logged, and tells the client nothing."""

    def __init__(self, observe: Callable[[str, grpc.StatusCode], None] | None = None) -> None:
        self._observe = observe or (lambda method, code: None)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        method = handler_call_details.method
        if handler.response_streaming:
            stream_behavior = handler.unary_stream

            async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
                try:
                    async for response in stream_behavior(request, context):
                        yield response
                except errors.HermesError as error:
                    self._observe(method, code_of(error))
                    await abort(context, error)
                except grpc.aio.AbortError:
                    self._observe(method, grpc.StatusCode.UNKNOWN)
                    raise
                except Exception as error:
                    self._observe(method, grpc.StatusCode.INTERNAL)
                    log.exception("call_failed", method=method)
                    await abort(context, errors.HermesError(_internal(error)))
                else:
                    self._observe(method, grpc.StatusCode.OK)

            return grpc.unary_stream_rpc_method_handler(
                stream,
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        unary_behavior = handler.unary_unary

        async def unary(request: Any, context: Any) -> Any:
            try:
                response = await unary_behavior(request, context)
            except errors.HermesError as error:
                self._observe(method, code_of(error))
                await abort(context, error)
            except grpc.aio.AbortError:
                self._observe(method, grpc.StatusCode.UNKNOWN)
                raise
            except Exception as error:
                self._observe(method, grpc.StatusCode.INTERNAL)
                log.exception("call_failed", method=method)
                await abort(context, errors.HermesError(_internal(error)))
            self._observe(method, grpc.StatusCode.OK)
            return response

        return grpc.unary_unary_rpc_method_handler(
            unary,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def code_of(error: errors.HermesError) -> grpc.StatusCode:
    """The gRPC code of an error."""
    return next((c for kind, _, c in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def _internal(error: Exception) -> str:
    return f"internal error ({type(error).__name__}); the service's log has the details"
