"""What can go wrong, as types.

    HermesError                 INTERNAL
    ├── InvalidInput            INVALID_INPUT: something the caller sent (a ValueError as well)
    ├── CameraNotFound          CAMERA_NOT_FOUND
    ├── NothingSelected         NOTHING_SELECTED
    ├── NothingToMerge          NOTHING_TO_MERGE
    ├── AnswerNotFound          ANSWER_NOT_FOUND: evidence is no longer kept
    ├── CameraExists            CAMERA_EXISTS
    ├── CameraNotOwned          CAMERA_NOT_OWNED: resolve the owner again
    ├── WatchNotFound           WATCH_NOT_FOUND
    ├── WatchExists             WATCH_EXISTS
    ├── EventNotFound           EVENT_NOT_FOUND
    ├── Retryable               the same call may succeed after `retry_after_s`
    │   ├── CameraNotReady      CAMERA_NOT_READY
    │   ├── Unavailable         UNAVAILABLE
    │   └── Overloaded          OVERLOADED
    ├── DeadlineExceeded        DEADLINE_EXCEEDED
    ├── LimitReached            LIMIT_REACHED: the caller holds as much as it may
    ├── AnswerCut               ANSWER_CUT: a longer limit may help
    ├── Unauthenticated         UNAUTHENTICATED
    ├── PermissionDenied        PERMISSION_DENIED
    ├── Unsupported             UNSUPPORTED
    ├── SnapshotMismatch        SNAPSHOT_MISMATCH
    │   └── SnapshotVersion     SNAPSHOT_VERSION: another version of the program wrote it
    └── SnapshotCorrupt         SNAPSHOT_CORRUPT

The word beside each type is its `reason`: stable, and meant for programs. The
message is meant for people and says what to do. `hermes.statuses` maps the
types to gRPC statuses and back.
"""

from __future__ import annotations

import logging
from typing import ClassVar

log = logging.getLogger(__name__)


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
    """No camera with this id is registered."""

    reason = "CAMERA_NOT_FOUND"

    def __init__(self, camera_id: str) -> None:
        super().__init__(f"there is no camera {camera_id!r}; add it first, or list the cameras")
        self.camera_id = camera_id


class NothingSelected(HermesError):
    """The selector selects no camera that the caller may see."""

    reason = "NOTHING_SELECTED"


class NothingToMerge(HermesError):
    """No camera answered, so there is nothing that one answer could be made of."""

    reason = "NOTHING_TO_MERGE"


class AnswerNotFound(HermesError):
    """No evidence can be found for this answer: it is unknown, too old, or of a former owner."""

    reason = "ANSWER_NOT_FOUND"


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


class WatchNotFound(HermesError):
    """No watch with this id is registered, or the caller may not see it."""

    reason = "WATCH_NOT_FOUND"

    def __init__(self, watch_id: str) -> None:
        super().__init__(f"there is no watch {watch_id!r}; add it first, or list the watches")
        self.watch_id = watch_id


class WatchExists(HermesError):
    """The id is taken."""

    reason = "WATCH_EXISTS"

    def __init__(self, watch_id: str) -> None:
        super().__init__(f"watch {watch_id!r} exists; update it, or choose another id")
        self.watch_id = watch_id


class EventNotFound(HermesError):
    """No event with this id is kept, or the caller may not see its camera."""

    reason = "EVENT_NOT_FOUND"

    def __init__(self, event_id: str) -> None:
        super().__init__(f"there is no event {event_id!r}, or it is no longer kept")
        self.event_id = event_id


class Retryable(HermesError):
    """The same call may succeed after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CameraNotReady(Retryable):
    """The camera is between owners, or its memory is still catching up."""

    reason = "CAMERA_NOT_READY"


class Unavailable(Retryable):
    """A service that the call depends on cannot be reached right now."""

    reason = "UNAVAILABLE"


class Overloaded(Retryable):
    """There is no room for this call now; no part of it was started."""

    reason = "OVERLOADED"


class DeadlineExceeded(HermesError):
    """The caller's deadline passed before the work was done."""

    reason = "DEADLINE_EXCEEDED"


class LimitReached(HermesError):
    """The caller holds as many of something as it may have. Waiting does not help: the message
    says what does.
    """

    reason = "LIMIT_REACHED"


class AnswerCut(HermesError):
    """An answer with a form reached its limit of tokens before it was complete.

    The text up to there was sent; it does not keep the form.
    """

    reason = "ANSWER_CUT"


class Unauthenticated(HermesError):
    """The call carries no token, or one that is not valid here."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(HermesError):
    """The token is valid but does not cover this call, whether or not the camera exists."""

    reason = "PERMISSION_DENIED"


class Unsupported(HermesError):
    """This build does not support a model or a feature; the message names it."""

    reason = "UNSUPPORTED"


class SnapshotMismatch(HermesError):
    """A snapshot is intact but does not fit: another model, shape, budget, policy or version.

    The message says what differs. The memory that was to be restored is unchanged.
    """

    reason = "SNAPSHOT_MISMATCH"


class SnapshotVersion(SnapshotMismatch):
    """A snapshot is written in a way that this version does not know.

    An older one of the same memory may be readable: it may be of this version.
    """

    reason = "SNAPSHOT_VERSION"


class SnapshotCorrupt(HermesError):
    """The data is not a snapshot, or a damaged one. Nothing was restored from it."""

    reason = "SNAPSHOT_CORRUPT"


def as_hermes_error(error: BaseException, doing: str) -> HermesError:
    """The error to show to the caller: one of ours unchanged, any other only by its type.

    The message of a foreign error may hold paths, addresses or credentials, so
    it goes to the log, with its traceback. `doing` names the work that failed,
    e.g. "copying the memory of lobby".
    """
    if isinstance(error, HermesError):
        return error
    log.error("%s failed", doing, exc_info=error)
    return HermesError(f"internal error ({type(error).__name__})")
