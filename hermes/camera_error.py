"""Why one of many cameras does not answer: an error within a stream that goes on."""

from __future__ import annotations

from collections.abc import Callable

from hermes import errors
from hermes.statuses import Details, code_of, named_error
from hermes.v1.query_pb2 import CameraError


def camera_error(error: errors.HermesError, shown: Callable[[str], str] = str) -> CameraError:
    """An error as a message. Its text goes through `shown`."""
    code: int = code_of(error).value[0]
    message = CameraError(code=code, reason=error.reason, message=shown(str(error)))
    if isinstance(error, errors.Retryable):
        message.retry_after.FromMilliseconds(int(error.retry_after_s * 1000))
    return message


def error_of_camera(message: CameraError, camera_id: str) -> errors.HermesError:
    """The error that a message stands for. One with an unknown reason has no type of its own."""
    details = Details(reason=message.reason, metadata={"camera_id": camera_id})
    if message.HasField("retry_after"):
        details.retry_after_s = message.retry_after.ToNanoseconds() / 1e9
    if message.reason == errors.InvalidInput.reason:
        details.field, _, details.description = message.message.partition(": ")
    error = named_error(message.reason, message.message, details)
    return errors.HermesError(message.message) if error is None else error
