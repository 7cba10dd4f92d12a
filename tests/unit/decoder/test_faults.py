from __future__ import annotations

import av.error as errors
import pytest

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_TLS,
    SOURCE_ERROR_UNAVAILABLE,
    SOURCE_ERROR_UNREACHABLE,
    SourceError,
)
from services.common.redaction import secrets_of
from services.decoder.faults import classify

URL = "rtsp://admin:hunter2@10.0.0.9/cam"


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (errors.HTTPUnauthorizedError(1, "401", URL), "", SOURCE_ERROR_AUTH),
        (errors.HTTPForbiddenError(1, "403", URL), "", SOURCE_ERROR_AUTH),
        (errors.HTTPNotFoundError(1, "404", URL), "", SOURCE_ERROR_NOT_FOUND),
        (errors.HTTPServerError(1, "503", URL), "", SOURCE_ERROR_UNAVAILABLE),
        (errors.OSError(113, "No route to host", URL), "", SOURCE_ERROR_UNREACHABLE),
        (errors.OSError(101, "Network is unreachable", URL), "", SOURCE_ERROR_UNREACHABLE),
        (errors.ConnectionResetError(104, "reset", URL), "", SOURCE_ERROR_ENDED),
        (errors.ExitError(1, "Immediate exit", URL), "", SOURCE_ERROR_TIMEOUT),
        (errors.TimeoutError(110, "timed out", URL), "", SOURCE_ERROR_TIMEOUT),
        (errors.ConnectionRefusedError(111, "refused", URL), "", SOURCE_ERROR_REFUSED),
        (errors.FileNotFoundError(2, "No such file", URL), "", SOURCE_ERROR_NOT_FOUND),
        (errors.InvalidDataError(1, "Invalid data", URL), "", SOURCE_ERROR_CODEC),
        (errors.DecoderNotFoundError(1, "no decoder", URL), "", SOURCE_ERROR_CODEC),
        (errors.OSError(5, "Input/output error", URL), "", SOURCE_ERROR_ENDED),
        (
            errors.OSError(5, "Input/output error", URL),
            "Failed to resolve hostname x: Name or service not known",
            SOURCE_ERROR_NOT_FOUND,
        ),
        (
            errors.OSError(5, "Input/output error", URL),
            "Failed to resolve hostname x: Temporary failure in name resolution",
            SOURCE_ERROR_UNREACHABLE,
        ),
        (
            errors.OSError(5, "Input/output error", URL),
            "Peer certificate failed verification",
            SOURCE_ERROR_TLS,
        ),
        (
            errors.ArgumentError(22, "Invalid argument", URL),
            "Protocol 'file' not on whitelist 'http'!",
            SOURCE_ERROR_REFUSED,
        ),
    ],
)
def test_every_exception_has_a_code(error: Exception, line: str, code: SourceError) -> None:
    assert classify(error, [line], secrets_of(URL), live=True).error == code


def test_no_message_holds_a_credential() -> None:
    error = errors.OSError(5, f"cannot open {URL} as admin:hunter2 (hunter2)", URL)
    fault = classify(error, [URL], secrets_of(URL), live=True)
    assert "hunter2" not in fault.message
    assert "hunter2" not in repr(fault)


def test_only_a_file_is_given_up() -> None:
    error = errors.InvalidDataError(1, "Invalid data", "")
    assert classify(error, [], (), live=False).permanent
    assert not classify(error, [], (), live=True).permanent
    missing = errors.FileNotFoundError(2, "No such file", "")
    assert not classify(missing, [], (), live=False).permanent
