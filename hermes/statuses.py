"""The error types of `hermes.errors` as gRPC statuses, and back.

One table serves both directions: `status_of` for the side that raises,
`typed_error` and `error_of` for the side that calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from hermes import errors

ERROR_DOMAIN = "hermes.v1"
"""The domain of our `google.rpc.ErrorInfo.reason`s."""

DETAILS_KEY = "grpc-status-details-bin"
"""Trailing metadata that holds a serialised `google.rpc.Status`."""

DEFAULT_RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Details:
    """The google.rpc details of a status. Empty where the status carries none."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    field: str = ""
    description: str = ""
    retry_after_s: float = DEFAULT_RETRY_AFTER_S

    @property
    def camera_id(self) -> str:
        """The camera that the error is about; `?` if the status does not say."""
        return self.metadata.get("camera_id", "?")

    @property
    def watch_id(self) -> str:
        """The watch that the error is about; `?` if the status does not say."""
        return self.metadata.get("watch_id", "?")

    @property
    def event_id(self) -> str:
        """The event that the error is about; `?` if the status does not say."""
        return self.metadata.get("event_id", "?")


_Read = Callable[[str, Details], errors.HermesError]
"""Makes an error of a status's message and details."""


def _plain(kind: type[errors.HermesError]) -> _Read:
    return lambda message, details: kind(message)


def _retryable(kind: type[errors.Retryable]) -> _Read:
    return lambda message, details: kind(message, details.retry_after_s)


def _of_camera(
    kind: type[errors.CameraNotFound | errors.CameraExists | errors.CameraNotOwned],
) -> _Read:
    return lambda message, details: kind(details.camera_id)


def _of_watch(kind: type[errors.WatchNotFound | errors.WatchExists]) -> _Read:
    return lambda message, details: kind(details.watch_id)


def _of_event(kind: type[errors.EventNotFound]) -> _Read:
    return lambda message, details: kind(details.event_id)


def _invalid_input(message: str, details: Details) -> errors.HermesError:
    return errors.InvalidInput(details.field or "request", details.description or message)


@dataclass(frozen=True, slots=True)
class _Row:
    """An error type, its gRPC code, and how it is read from a status of ours.

    `foreign` is the message of a status that has this code but was made by gRPC
    itself or by a proxy. Without it, such a status is a plain `HermesError`.
    """

    kind: type[errors.HermesError]
    code: StatusCode
    read: _Read
    foreign: str = ""


_TABLE = (
    _Row(errors.HermesError, StatusCode.INTERNAL, _plain(errors.HermesError)),
    _Row(errors.InvalidInput, StatusCode.INVALID_ARGUMENT, _invalid_input),
    _Row(errors.CameraNotFound, StatusCode.NOT_FOUND, _of_camera(errors.CameraNotFound)),
    _Row(errors.NothingSelected, StatusCode.NOT_FOUND, _plain(errors.NothingSelected)),
    _Row(errors.NothingToMerge, StatusCode.FAILED_PRECONDITION, _plain(errors.NothingToMerge)),
    _Row(errors.AnswerNotFound, StatusCode.NOT_FOUND, _plain(errors.AnswerNotFound)),
    _Row(errors.CameraExists, StatusCode.ALREADY_EXISTS, _of_camera(errors.CameraExists)),
    _Row(errors.CameraNotOwned, StatusCode.FAILED_PRECONDITION, _of_camera(errors.CameraNotOwned)),
    _Row(errors.WatchNotFound, StatusCode.NOT_FOUND, _of_watch(errors.WatchNotFound)),
    _Row(errors.WatchExists, StatusCode.ALREADY_EXISTS, _of_watch(errors.WatchExists)),
    _Row(errors.EventNotFound, StatusCode.NOT_FOUND, _of_event(errors.EventNotFound)),
    _Row(errors.Retryable, StatusCode.UNAVAILABLE, _retryable(errors.Retryable)),
    _Row(errors.CameraNotReady, StatusCode.UNAVAILABLE, _retryable(errors.CameraNotReady)),
    _Row(
        errors.Unavailable,
        StatusCode.UNAVAILABLE,
        _retryable(errors.Unavailable),
        foreign="{peer} cannot be reached: {message}",
    ),
    _Row(
        errors.Overloaded,
        StatusCode.RESOURCE_EXHAUSTED,
        _retryable(errors.Overloaded),
        foreign="{peer} has no room: {message}",
    ),
    _Row(
        errors.DeadlineExceeded,
        StatusCode.DEADLINE_EXCEEDED,
        _plain(errors.DeadlineExceeded),
        foreign="{peer} did not finish in time",
    ),
    _Row(errors.LimitReached, StatusCode.RESOURCE_EXHAUSTED, _plain(errors.LimitReached)),
    _Row(errors.AnswerCut, StatusCode.OUT_OF_RANGE, _plain(errors.AnswerCut)),
    _Row(
        errors.Unauthenticated,
        StatusCode.UNAUTHENTICATED,
        _plain(errors.Unauthenticated),
        foreign="{peer} does not know who is calling: {message}",
    ),
    _Row(
        errors.PermissionDenied,
        StatusCode.PERMISSION_DENIED,
        _plain(errors.PermissionDenied),
        foreign="{peer} does not allow this call: {message}",
    ),
    _Row(
        errors.Unsupported,
        StatusCode.UNIMPLEMENTED,
        _plain(errors.Unsupported),
        foreign="{peer} does not know this call: {message}",
    ),
    _Row(errors.SnapshotMismatch, StatusCode.INTERNAL, _plain(errors.SnapshotMismatch)),
    _Row(errors.SnapshotVersion, StatusCode.INTERNAL, _plain(errors.SnapshotVersion)),
    _Row(errors.SnapshotCorrupt, StatusCode.INTERNAL, _plain(errors.SnapshotCorrupt)),
)
_BY_KIND = {row.kind: row for row in _TABLE}
_BY_REASON = {row.kind.reason: row for row in _TABLE if "reason" in vars(row.kind)}
_FOREIGN = {row.code: row for row in _TABLE if row.foreign}


def code_of(error: errors.HermesError) -> StatusCode:
    """The gRPC code of an error: its type's, or that of the nearest type above it."""
    return next(_BY_KIND[kind].code for kind in type(error).__mro__ if kind in _BY_KIND)


def status_of(error: errors.HermesError, shown: Callable[[str], str] = str) -> status_pb2.Status:
    """The status of an error, with google.rpc details. Every text goes through `shown`."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN)
    details: list[Message] = [info]
    if isinstance(error, (errors.CameraNotFound, errors.CameraExists, errors.CameraNotOwned)):
        info.metadata["camera_id"] = shown(error.camera_id)
    if isinstance(error, (errors.WatchNotFound, errors.WatchExists)):
        info.metadata["watch_id"] = shown(error.watch_id)
    if isinstance(error, errors.EventNotFound):
        info.metadata["event_id"] = shown(error.event_id)
    if isinstance(error, errors.InvalidInput):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=shown(error.message)
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
    code: int = code_of(error).value[0]
    return status_pb2.Status(code=code, message=shown(str(error)), details=packed)


def typed_error(status: grpc.RpcError) -> errors.HermesError | None:
    """The error that one of our services raised, or None if the status is not one of ours."""
    details = details_of(status)
    return named_error(details.reason, _message(status), details)


def named_error(reason: str, message: str, details: Details) -> errors.HermesError | None:
    """The error with this reason; None if no error of ours has it."""
    row = _BY_REASON.get(reason)
    return None if row is None else row.read(message, details)


def error_of(status: grpc.RpcError, peer: str) -> errors.HermesError:
    """The error that a status stands for, whether ours or not.

    `peer` names the other side in messages, e.g. "the gateway at host:50051".
    """
    return typed_error(status) or _foreign_error(_code(status), _message(status), peer)


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


def _foreign_error(code: StatusCode, message: str, peer: str) -> errors.HermesError:
    """For statuses that gRPC itself or a proxy made."""
    if code == StatusCode.CANCELLED:
        return errors.Unavailable(f"{peer} broke off the call: {message}")
    if code == StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        # The transport's own limit: a second try would fail in the same way.
        return errors.InvalidInput("request", f"is too large for {peer}: {message}")
    row = _FOREIGN.get(code)
    if row is None:
        return errors.HermesError(f"{peer} answered {code.name}: {message}")
    return row.read(row.foreign.format(peer=peer, message=message), Details())


# Both flavours of RpcError, grpc's and grpc.aio's, have these three methods;
# their common base class declares none of them.
def _code(status: Any) -> StatusCode:
    code: StatusCode = status.code()
    return code


def _message(status: Any) -> str:
    return status.details() or ""


def _trailing_metadata(status: Any) -> list[tuple[str, bytes]]:
    return [(key, value) for key, value in status.trailing_metadata() or ()]
