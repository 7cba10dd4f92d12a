"""What can go wrong, as types.

Every error carries a `reason`: a stable word that machines may switch on. The
message is for a person and says what to do. The gateway and the worker turn
these types into gRPC statuses in one place, and the client turns the statuses
back into these types.
"""

from __future__ import annotations

from typing import ClassVar


class HermesError(Exception):
    """Base of all errors that are part of the interface."""

    reason: ClassVar[str] = "INTERNAL"


class InvalidInput(HermesError, ValueError):
    """Something the caller sent cannot be used.

    `field` is the path of the offending field as the API names it, e.g.
    `question.text`.
    """

    reason = "INVALID_INPUT"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class CameraNotFound(HermesError):
    """No camera of this id is registered."""

    reason = "CAMERA_NOT_FOUND"

    def __init__(self, camera_id: str) -> None:
        super().__init__(f"there is no camera {camera_id!r}; add it first, or list the cameras")
        self.camera_id = camera_id


class CameraExists(HermesError):
    """The id is taken."""

    reason = "CAMERA_EXISTS"

    def __init__(self, camera_id: str) -> None:
        super().__init__(f"camera {camera_id!r} exists; remove it first to change it")
        self.camera_id = camera_id


class CameraNotOwned(HermesError):
    """This worker does not own the camera, or no longer does: resolve again."""

    reason = "CAMERA_NOT_OWNED"

    def __init__(self, camera_id: str) -> None:
        super().__init__(f"camera {camera_id!r} is owned by another worker")
        self.camera_id = camera_id


class Retryable(HermesError):
    """The same call may succeed after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CameraNotReady(Retryable):
    """The camera is between owners, or its memory is still catching up."""

    reason = "CAMERA_NOT_READY"


class Unavailable(Retryable):
    """Something that the call depends on cannot be reached right now."""

    reason = "UNAVAILABLE"


class Overloaded(Retryable):
    """No room for this call now; nothing of it was started."""

    reason = "OVERLOADED"


class DeadlineExceeded(HermesError):
    """The caller's deadline passed before the work was done."""

    reason = "DEADLINE_EXCEEDED"


class Unauthenticated(HermesError):
    """The call carries no token, or none that is valid here."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(HermesError):
    """The token is valid and does not cover this call, whether the camera exists or not."""

    reason = "PERMISSION_DENIED"


class Unsupported(HermesError):
    """A model or a feature that this build does not know, by name."""

    reason = "UNSUPPORTED"


class SnapshotMismatch(HermesError):
    """A snapshot is whole, but was taken of something else: model, shape, budget, policy, version.

    The message says what differs. The memory that it was meant for is as it was.
    """

    reason = "SNAPSHOT_MISMATCH"


class SnapshotCorrupt(HermesError):
    """A snapshot is no snapshot, or not what was written. Nothing was taken from it."""

    reason = "SNAPSHOT_CORRUPT"
