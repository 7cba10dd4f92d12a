"""Errors become statuses, and the statuses the same errors again."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from grpc_status import rpc_status

from hermes import errors
from hermes.statuses import code_of, error_of, typed_error
from services.common.rpc import status_of

EVERY_ERROR = [
    errors.HermesError("broken"),
    errors.InvalidInput("question.text", "is empty"),
    errors.CameraNotFound("lobby"),
    errors.CameraExists("lobby"),
    errors.CameraNotOwned("lobby"),
    errors.WatchNotFound("fall"),
    errors.WatchExists("fall"),
    errors.EventNotFound("e1"),
    errors.CameraNotReady("moving", 2.5),
    errors.Unavailable("gone", 0.25),
    errors.Overloaded("full", 3.0),
    errors.LimitReached("three of three"),
    errors.DeadlineExceeded("late"),
    errors.AnswerCut("after 16 tokens"),
    errors.AnswerNotFound("answers are kept for 60 s"),
    errors.Unauthenticated("no token"),
    errors.PermissionDenied("not this camera"),
    errors.NothingSelected("the selector 'site=dock' selects no camera"),
    errors.NothingToMerge("no camera answered"),
    errors.Unsupported("no such model"),
    errors.SnapshotMismatch("of another model"),
    errors.SnapshotVersion("of a later version"),
    errors.SnapshotCorrupt("cut short"),
]


def sent(error: errors.HermesError) -> grpc.aio.AioRpcError:
    """The status as it arrives at the other side."""
    status = rpc_status.to_status(status_of(error))
    return bare(status.code, status.details, status.trailing_metadata)


def bare(
    code: grpc.StatusCode, details: str, trailing: tuple[tuple[str, bytes], ...] = ()
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details=details
    )


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_every_error_survives_the_wire(error: errors.HermesError) -> None:
    back = typed_error(sent(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    assert sent(error).code() == code_of(error)


def test_every_error_of_the_interface_is_covered() -> None:
    def kinds(kind: type[errors.HermesError]) -> set[type[errors.HermesError]]:
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    ours = {kind for kind in kinds(errors.HermesError) if kind.__module__ == "hermes.errors"}
    assert ours - {type(error) for error in EVERY_ERROR} == {errors.Retryable}


def test_a_status_shows_no_password() -> None:
    secret = "rtsp://admin:hunter2@camera/live"
    for error in (
        errors.InvalidInput("camera.url", f"cannot read {secret}"),
        errors.Unavailable(f"no answer from {secret}"),
        errors.CameraNotFound(secret),
    ):
        assert b"hunter2" not in status_of(error).SerializeToString()


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "refused", errors.Unavailable),
        (grpc.StatusCode.CANCELLED, "", errors.Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", errors.DeadlineExceeded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many", errors.Overloaded),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "Received message larger than max (5 vs. 4)",
            errors.InvalidInput,
        ),
        (grpc.StatusCode.UNIMPLEMENTED, "", errors.Unsupported),
        (grpc.StatusCode.UNAUTHENTICATED, "no", errors.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, "no", errors.PermissionDenied),
        (grpc.StatusCode.DATA_LOSS, "no", errors.HermesError),
    ],
)
def test_a_status_of_another_service_becomes_a_general_error(
    code: grpc.StatusCode, text: str, kind: type[errors.HermesError]
) -> None:
    status = bare(code, text)
    assert typed_error(status) is None
    error = error_of(status, "the gateway at nowhere:1")
    assert type(error) is kind
    assert "the gateway at nowhere:1" in str(error)


def test_a_type_outside_the_table_has_the_code_of_the_type_above_it() -> None:
    class Busy(errors.Overloaded):
        reason = "BUSY"

    assert code_of(Busy("later")) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert code_of(errors.Retryable("later")) == grpc.StatusCode.UNAVAILABLE


def test_details_of_another_service_are_ignored() -> None:
    status = status_of(errors.CameraNotFound("lobby"))
    info = status.details[0]
    info.value = info.value.replace(b"hermes.v1", b"other.org")
    foreign = rpc_status.to_status(status)
    assert typed_error(bare(foreign.code, "x", foreign.trailing_metadata)) is None


def test_unreadable_details_are_ignored() -> None:
    trailing = (("grpc-status-details-bin", b"\xff\xff\xff"),)
    assert typed_error(bare(grpc.StatusCode.NOT_FOUND, "x", trailing)) is None
