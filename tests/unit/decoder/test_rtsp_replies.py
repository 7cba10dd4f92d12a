"""What of a server's RTSP reaches FFmpeg."""

from __future__ import annotations

import pytest

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED
from services.decoder.faults import SourceFault
from services.decoder.rtsp_replies import NotRtsp, RtspReplies

NEAR, FAR, ADDRESS = "rtsp://127.0.0.1:40000", "rtsp://u:p@camera.example:8554/live", "203.0.113.7"
OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nbody"
MEDIA = b"$\x00\x00\x05\r\n\r\n$"


def replies() -> RtspReplies:
    return RtspReplies(NEAR, FAR, ADDRESS)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_replies_and_media_pass_however_they_are_cut(step: int) -> None:
    said = OK + MEDIA + MEDIA + OK + b"$\x01\x00\x00" + OK
    filtered = replies()
    got = b"".join(filtered.feed(said[at : at + step]) for at in range(0, len(said), step))
    assert got == said
    assert filtered.streaming


@pytest.mark.parametrize(
    "location",
    [
        "rtsp://169.254.169.254:8554/live",
        "rtsp://camera.example/live",
        "rtsp://camera.example:22/live",
        "rtsps://camera.example:8554/live",
        "http://camera.example:8554/live",
        "rtsp://camera.example:8554@169.254.169.254/live",
        "rtsp://[::1",
        "",
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\r\n", b"\n\r"])
def test_a_redirect_to_another_address_is_refused(location: str, end: bytes) -> None:
    lines = [b"RTSP/1.0 302 Moved", b"Location: " + location.encode(), b"CSeq: 1", b"", b""]
    with pytest.raises(SourceFault, match="redirects to another address") as refused:
        replies().feed(end.join(lines))
    assert refused.value.error == SOURCE_ERROR_REFUSED


def test_a_redirect_on_the_same_server_goes_by_the_relay() -> None:
    said = b"RTSP/1.0 301 Moved\r\nLocation: rtsp://Camera.example:8554/other?a=1\r\n\r\n"
    assert b"Location: rtsp://127.0.0.1:40000/other?a=1\r\n" in replies().feed(said)


def test_of_two_locations_each_must_be_its_own() -> None:
    own, other = b"rtsp://camera.example:8554/a", b"rtsp://10.0.0.1/a"
    said = b"RTSP/1.0 301 Moved\r\nLocation: %b\r\nlocation : %b\r\n\r\n" % (own, other)
    with pytest.raises(SourceFault):
        replies().feed(said)


@pytest.mark.parametrize(
    ("said", "reaches"),
    [
        (b"RTP/AVP;unicast;client_port=1-2;server_port=3-4;source=169.254.169.254",
         b"RTP/AVP;unicast;client_port=1-2;server_port=3-4;source=203.0.113.7"),
        (b"RTP/AVP;unicast;server_port=3-4", b"RTP/AVP;unicast;server_port=3-4;source=203.0.113.7"),
        (b"RTP/AVP;multicast;destination=10.0.0.1; Source = x ;port=3",
         b"RTP/AVP;multicast;port=3;source=203.0.113.7"),
        (b"RTP/AVP/TCP;interleaved=0-1", b"RTP/AVP/TCP;interleaved=0-1"),
    ],
)  # fmt: skip
def test_datagrams_go_to_the_server_itself(said: bytes, reaches: bytes) -> None:
    got = replies().feed(b"RTSP/1.0 200 OK\r\nTransport: " + said + b"\r\n\r\n")
    assert b"Transport: " + reaches + b"\r\n" in got


def test_media_hidden_among_headers_and_two_lengths_are_not_read_differently() -> None:
    said = b"RTSP/1.0 200 OK\n$\x00\x00\x04: x\nContent-Length: 2\ncontent-length: 4\n\nbody"
    got = replies().feed(said)
    assert got == b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000, b"x\n" * 40_000,
     b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_rtsp_ends_the_connection(said: bytes) -> None:
    with pytest.raises(NotRtsp):
        replies().feed(said)
