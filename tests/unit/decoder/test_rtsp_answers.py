from __future__ import annotations

import pytest

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_REFUSED,
    TRANSPORT_TCP,
    TRANSPORT_UDP,
    TRANSPORT_UNSPECIFIED,
    SourceError,
    Transport,
)
from services.decoder.rtsp_answers import RtspAnswers

REFUSED = "method SETUP failed: 461 (Unsupported Transport)\n"
DIGEST = 'WWW-Authenticate: Digest realm="c", nonce="n"'
GROUP = "SDP:\nv=0\r\nc=IN IP4 239.1.2.3/32\r\nm=video 5004 RTP/AVP 96\r\n\n"


def said(*lines: str) -> list[str]:
    """What FFmpeg logs of an answer with these lines."""
    return [f"line='{line}'\n" for line in lines]


@pytest.mark.parametrize(
    ("lines", "asked", "error", "words"),
    [
        ([REFUSED, REFUSED], TRANSPORT_UNSPECIFIED, SOURCE_ERROR_REFUSED, "neither over TCP nor"),
        ([REFUSED], TRANSPORT_TCP, SOURCE_ERROR_REFUSED, "does not send over TCP: take auto"),
        ([REFUSED], TRANSPORT_UDP, SOURCE_ERROR_REFUSED, "does not send over UDP: take auto"),
        ([GROUP, REFUSED], TRANSPORT_TCP, SOURCE_ERROR_REFUSED, "multicast group"),
        (
            ["SDP:\nc=IN IP6 ff15::1\n", REFUSED],
            TRANSPORT_TCP,
            SOURCE_ERROR_REFUSED,
            "multicast group",
        ),
        (
            said("RTSP/1.0 401 Unauthorized", f"{DIGEST}, algorithm=SHA-256"),
            TRANSPORT_TCP,
            SOURCE_ERROR_AUTH,
            "by Digest SHA-256, which is not supported here: in the camera's settings take",
        ),
        (
            said("RTSP/1.0 401 No", 'WWW-authenticate: digest realm="c", algorithm="SHA-512-256"'),
            TRANSPORT_TCP,
            SOURCE_ERROR_AUTH,
            "by Digest SHA-512-256,",
        ),
        (
            said("RTSP/1.0 401 Unauthorized", DIGEST, f"{DIGEST}, algorithm=SHA-256"),
            TRANSPORT_TCP,
            SOURCE_ERROR_AUTH,
            "take Digest MD5 alone",
        ),
        (
            said("RTSP/1.0 401 Unauthorized", f'{DIGEST}, qop="auth-int"'),
            TRANSPORT_TCP,
            SOURCE_ERROR_AUTH,
            "by Digest with qop auth-int",
        ),
        (
            said("RTSP/1.0 401 Unauthorized", 'WWW-Authenticate: Bearer realm="c"'),
            TRANSPORT_TCP,
            SOURCE_ERROR_AUTH,
            "by Bearer",
        ),
    ],
)
def test_what_a_server_says_becomes_a_reason(
    lines: list[str], asked: Transport, error: SourceError, words: str
) -> None:
    fault = RtspAnswers(lines).why(asked)
    assert fault is not None
    assert fault.error == error
    assert words in fault.message
    assert not fault.permanent


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [GROUP],  # it may send to each viewer as well
        said("RTSP/1.0 200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
        said("RTSP/1.0 401 Unauthorized", DIGEST),
        said("RTSP/1.0 401 Unauthorized", f'{DIGEST}, algorithm=MD5, qop="auth,auth-int"'),
        said("RTSP/1.0 401 Unauthorized", 'WWW-Authenticate: Basic realm="c"'),
        said("RTSP/1.0 401 Unauthorized"),
        said("RTSP/1.0 401 Unauthorized", f"{DIGEST}, algorithm=SHA-256", "RTSP/1.0 200 OK"),
        said("RTSP/1.0 404 Not Found"),
        ["line='Transport: '\n", "line='"],
    ],
)
def test_nothing_is_said_where_the_answers_do_not_tell(lines: list[str]) -> None:
    assert RtspAnswers(lines).why(TRANSPORT_UNSPECIFIED) is None


def test_it_is_known_what_the_pictures_come_by() -> None:
    udp = said("Transport: RTP/AVP/UDP;unicast;client_port=5000-5001")
    assert RtspAnswers(udp).by_udp
    assert RtspAnswers(said("Transport: RTP/AVP;unicast;client_port=5000-5001")).by_udp
    assert not RtspAnswers(said("Transport: RTP/AVP/TCP;interleaved=0-1")).by_udp
