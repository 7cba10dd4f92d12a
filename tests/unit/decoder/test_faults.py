from __future__ import annotations

import http.client
import socket
import ssl

import av.error as errors
import pytest

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_MEMORY,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_TLS,
    SOURCE_ERROR_UNAVAILABLE,
    SOURCE_ERROR_UNREACHABLE,
    SourceError,
)
from services.common.redaction import secrets_of
from services.decoder.faults import SourceFault, classify, fault_of_status, fault_of_web

URL = "rtsp://admin:hunter2@10.0.0.9/cam"


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (errors.HTTPUnauthorizedError(1, "401", URL), "", SOURCE_ERROR_AUTH),
        (errors.HTTPForbiddenError(1, "403", URL), "", SOURCE_ERROR_AUTH),
        (errors.MemoryError(12, "Cannot allocate memory", URL), "", SOURCE_ERROR_MEMORY),
        (MemoryError("no memory for a picture"), "", SOURCE_ERROR_MEMORY),
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


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, SOURCE_ERROR_REFUSED),
        (401, SOURCE_ERROR_AUTH),
        (403, SOURCE_ERROR_AUTH),
        (404, SOURCE_ERROR_NOT_FOUND),
        (410, SOURCE_ERROR_NOT_FOUND),
        (429, SOURCE_ERROR_REFUSED),
        (500, SOURCE_ERROR_UNAVAILABLE),
        (503, SOURCE_ERROR_UNAVAILABLE),
    ],
)
def test_what_the_status_of_an_http_answer_means(status: int, code: SourceError) -> None:
    reason = "see http://a:hunter2@host/?token=hunter2\x1b[31m" + "x" * 500
    fault = fault_of_status(status, reason)
    assert fault.error == code
    assert f"({status} see" in fault.message
    assert "hunter2" not in fault.message
    assert "\x1b" not in fault.message


def _untrusted() -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.reason, error.verify_message = "CERTIFICATE_VERIFY_FAILED", "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (_untrusted(), SOURCE_ERROR_TLS, "is not trusted (self-signed certificate)"),
        (ssl.SSLEOFError(8, "EOF"), SOURCE_ERROR_ENDED, "closed the connection"),
        (ssl.SSLZeroReturnError(6, "closed (EOF)"), SOURCE_ERROR_ENDED, "closed the connection"),
        (socket.gaierror(-2, "Name or service not known"), SOURCE_ERROR_NOT_FOUND, "no such host"),
        (ConnectionRefusedError(111, "refused"), SOURCE_ERROR_REFUSED, "refused"),
        (TimeoutError("it took too long"), SOURCE_ERROR_TIMEOUT, "no answer"),
        (http.client.BadStatusLine("hunter2"), SOURCE_ERROR_CODEC, "not an HTTP answer"),
        (ValueError("hunter2"), SOURCE_ERROR_CODEC, "not an HTTP answer"),
        (SourceFault(SOURCE_ERROR_AUTH, "as it was"), SOURCE_ERROR_AUTH, "as it was"),
    ],
)
def test_what_an_error_of_a_request_means(error: Exception, code: SourceError, words: str) -> None:
    fault = fault_of_web(error, ())
    assert fault.error == code
    assert words in fault.message
    assert "hunter2" not in fault.message
