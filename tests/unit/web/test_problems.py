"""Errors as problem details, and as OpenAI's clients read them."""

from __future__ import annotations

import json

import pytest

from hermes import errors
from services.web import problems
from services.web.openai import errors as openai_errors


@pytest.mark.parametrize(
    ("error", "status", "code", "reason"),
    [
        (
            errors.InvalidInput("question", "is empty"),
            400,
            "INVALID_ARGUMENT",
            "INVALID_INPUT",
        ),
        (errors.AnswerCut("was cut"), 400, "OUT_OF_RANGE", "ANSWER_CUT"),
        (errors.Unauthenticated("who?"), 401, "UNAUTHENTICATED", "UNAUTHENTICATED"),
        (errors.InvalidInput("token", "is empty"), 401, "INVALID_ARGUMENT", "INVALID_INPUT"),
        (errors.PermissionDenied("no scope"), 403, "PERMISSION_DENIED", "PERMISSION_DENIED"),
        (errors.CameraNotFound("lobby"), 404, "NOT_FOUND", "CAMERA_NOT_FOUND"),
        (errors.WatchExists("door"), 409, "ALREADY_EXISTS", "WATCH_EXISTS"),
        (errors.NothingToMerge("none"), 409, "FAILED_PRECONDITION", "NOTHING_TO_MERGE"),
        (errors.Overloaded("full", 2.5), 429, "RESOURCE_EXHAUSTED", "OVERLOADED"),
        (errors.HermesError("fault"), 500, "INTERNAL", "INTERNAL"),
        (errors.Unsupported("no"), 501, "UNIMPLEMENTED", "UNSUPPORTED"),
        (errors.CameraNotReady("soon"), 503, "UNAVAILABLE", "CAMERA_NOT_READY"),
        (errors.DeadlineExceeded("late"), 504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    ],
)
def test_an_error_keeps_its_code(
    error: errors.HermesError, status: int, code: str, reason: str
) -> None:
    response = problems.error_response(error)
    problem = json.loads(bytes(response.body))
    assert response.media_type == "application/problem+json"
    assert (response.status_code, problem["status"]) == (status, status)
    assert (problem["code"], problem["reason"], problem["detail"]) == (code, reason, str(error))
    assert problem["type"] == f"urn:hermes:problem:{reason}"
    theirs = openai_errors.error_response(error)
    body = json.loads(bytes(theirs.body))["error"]
    assert theirs.status_code == status
    assert (body["code"], body["grpc_code"]) == (reason, code)


def test_a_field_is_named_as_the_caller_knows_it() -> None:
    error = errors.InvalidInput("question.max_tokens", "at most 9 are allowed")
    problem = json.loads(bytes(problems.error_response(error).body))
    assert problem["field"] == "question.max_tokens"
    body = openai_errors.error_body(error)["error"]
    assert body["param"] == "max_completion_tokens"
    assert body["message"] == "max_completion_tokens: at most 9 are allowed"


def test_headers_say_when_to_come_again_and_who_is_asked_for() -> None:
    assert problems.error_response(errors.Overloaded("full", 2.5)).headers["retry-after"] == "3"
    refused = problems.error_response(errors.Unauthenticated("who?"))
    assert refused.headers["www-authenticate"] == "Bearer"


def test_faults_of_a_body_name_the_field() -> None:
    fault = problems.fault_of([{"loc": ("body", "span", "last"), "msg": "Input should be text"}])
    assert (fault.field, fault.message) == ("span.last", "input should be text")
