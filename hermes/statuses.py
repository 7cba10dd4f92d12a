"""gRPC statuses as the errors that they stand for.

`services.common.rpc` turns an error into a status; this is the way back, for
the client and for the gateway as a client of the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from hermes import errors

ERROR_DOMAIN = "hermes.v1"
"""The domain of our `google.rpc.ErrorInfo.reason`s."""

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata that holds a serialised `google.rpc.Status`."""

DEFAULT_RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Details:
    """What google.rpc details say. Empty where a status carries none."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    field: str = ""
    description: str = ""
    retry_after_s: float = DEFAULT_RETRY_AFTER_S


def typed_error(status: grpc.RpcError) -> errors.HermesError | None:
    """The error that one of our services raised, or None if the status is none of ours."""
    details = details_of(status)
    make = _BY_REASON.get(details.reason)
    return None if make is None else make(_message(status), details)


def error_of(status: grpc.RpcError, peer: str) -> errors.HermesError:
    """The error that a status stands for, whoever sent it.

    `peer` names the other side in messages, e.g. "the gateway at host:50051".
    """
    return typed_error(status) or _error_of_code(_code(status), _message(status), peer)


def details_of(status: grpc.RpcError) -> Details:
    """Read the google.rpc details of a status."""
    details = Details()
    for key, value in _trailing_metadata(status):
        if key != DETAILS_KEY:
            continue
        try:
            packed = status_pb2.Status.FromString(value)
        except DecodeError:
            return details
        for item in packed.details:
            _read_detail(item, details)
    return details


def _read_detail(item: Any, details: Details) -> None:
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    if item.Unpack(info):
        if info.domain == ERROR_DOMAIN:
            details.reason = info.reason
            details.metadata = dict(info.metadata)
    elif item.Unpack(bad_request):
        for violation in bad_request.field_violations[:1]:
            details.field = violation.field
            details.description = violation.description
    elif item.Unpack(retry):
        details.retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9


_Make = Callable[[str, Details], errors.HermesError]
_BY_REASON: dict[str, _Make] = {
    errors.HermesError.reason: lambda message, _: errors.HermesError(message),
    errors.InvalidInput.reason: lambda message, details: errors.InvalidInput(
        details.field or "request", details.description or message
    ),
    errors.CameraNotFound.reason: lambda _, details: errors.CameraNotFound(_camera(details)),
    errors.CameraExists.reason: lambda _, details: errors.CameraExists(_camera(details)),
    errors.CameraNotOwned.reason: lambda _, details: errors.CameraNotOwned(_camera(details)),
    errors.CameraNotReady.reason: lambda message, details: errors.CameraNotReady(
        message, details.retry_after_s
    ),
    errors.Unavailable.reason: lambda message, details: errors.Unavailable(
        message, details.retry_after_s
    ),
    errors.Overloaded.reason: lambda message, details: errors.Overloaded(
        message, details.retry_after_s
    ),
    errors.DeadlineExceeded.reason: lambda message, _: errors.DeadlineExceeded(message),
    errors.Unauthenticated.reason: lambda message, _: errors.Unauthenticated(message),
    errors.PermissionDenied.reason: lambda message, _: errors.PermissionDenied(message),
    errors.Unsupported.reason: lambda message, _: errors.Unsupported(message),
    errors.SnapshotMismatch.reason: lambda message, _: errors.SnapshotMismatch(message),
    errors.SnapshotCorrupt.reason: lambda message, _: errors.SnapshotCorrupt(message),
}


def _error_of_code(code: grpc.StatusCode, message: str, peer: str) -> errors.HermesError:
    """For statuses that gRPC itself made, or somebody between us and the service."""
    if code == grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(f"{peer} cannot be reached: {message}")
    if code == grpc.StatusCode.CANCELLED:
        return errors.Unavailable(f"{peer} broke off the call: {message}")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{peer} did not finish in time")
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        if "larger than max" in message:  # the transport's own limit: coming again is no use
            return errors.InvalidInput("request", f"is too large for {peer}: {message}")
        return errors.Overloaded(f"{peer} has no room: {message}")
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return errors.Unauthenticated(f"{peer} does not know who is calling: {message}")
    if code == grpc.StatusCode.PERMISSION_DENIED:
        return errors.PermissionDenied(f"{peer} does not allow this call: {message}")
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return errors.Unsupported(f"{peer} does not know this call: {message}")
    return errors.HermesError(f"{peer} answered {code.name}: {message}")


# Both flavours of RpcError, grpc's and grpc.aio's, have these three methods;
# their common base class declares none of them.
def _code(status: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = status.code()
    return code


def _message(status: Any) -> str:
    return status.details() or ""


def _trailing_metadata(status: Any) -> list[tuple[str, bytes]]:
    return [(key, value) for key, value in status.trailing_metadata() or ()]


def _camera(details: Details) -> str:
    return details.metadata.get("camera_id", "?")
