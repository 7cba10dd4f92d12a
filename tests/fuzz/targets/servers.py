"""What servers of cameras say: RTSP replies, and the logins that they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.decoder.faults import SourceFault
from services.decoder.rtsp_replies import NotRtsp, RtspReplies
from services.decoder.web_login import WebLogin
from tests.fuzz.target import Target

NEAR, FAR, ADDRESS = "rtsp://127.0.0.1:40000", "rtsp://camera.example/live", "203.0.113.7"
SECRET = "hunter2"
CUTS = (1, 7, 1 << 20)
SETUP = b"""RTSP/1.0 200 OK\r
CSeq: 3\r
Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;source=10.0.0.1\r
\r
"""
DESCRIBE = b"RTSP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nv=0\r\n\r$\x00\x00\x04\x80\x60\x00\x01"
MOVED = b"RTSP/1.0 302 Moved\r\nLocation: rtsp://camera.example/other\r\n\r\n"


def _read_rtsp(data: bytes) -> str:
    said = [_filtered(data, cut) for cut in CUTS]
    passed, end = said[-1]
    assert all(other[1] == end for other in said), "how it is cut must not matter"
    if end == "":  # what came before the end of a connection may be cut elsewhere
        assert all(other[0] == passed for other in said)
    for head in _heads(passed):
        moved = re.match(rb"RTSP/\S* +3", head[0]) is not None
        for line in head[1:]:
            name, _, value = line.partition(b":")
            if moved and name.strip().lower() == b"location":
                assert value.strip().startswith(NEAR.encode())
            if name.strip().lower() == b"transport":
                parts = [part.strip().lower() for part in re.split(rb"[;,]", value)]
                sources = {part for part in parts if part.startswith(b"source")}
                assert sources <= {b"source=" + ADDRESS.encode()}, "datagrams would go elsewhere"
    return f"{end} {len(passed) > 0}"


def _filtered(data: bytes, cut: int) -> tuple[bytes, str]:
    replies = RtspReplies(NEAR, FAR, ADDRESS)
    passed = b""
    try:
        for at in range(0, len(data), cut):
            passed += replies.feed(data[at : at + cut])
    except NotRtsp:
        return passed, "no RTSP"
    except SourceFault as fault:
        return passed, fault.message
    return passed, ""


def _heads(data: bytes) -> Iterator[list[bytes]]:
    """The replies in it, as FFmpeg reads them: media may come before any line."""
    at, lines, length = 0, list[bytes](), 0
    while at < len(data):
        if data[at : at + 1] == b"$":
            at += 4 + int.from_bytes(data[at + 2 : at + 4], "big")
            continue
        end = data.find(b"\n", at)
        if end < 0:
            return
        line, at = data[at:end].replace(b"\r", b""), end + 1
        if line:
            lines.append(line)
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
            continue
        if lines:
            yield lines
        lines, at, length = [], at + length, 0


def _read_login(data: bytes) -> str:
    login = WebLogin("viewer", SECRET)
    headers = data.decode("latin-1").split("\n")
    again = [login.challenge(headers) for _ in range(3)]
    assert not again[-1] or "stale" in data.decode("latin-1").lower()
    shown = login.header("GET", "/live") or ""
    assert SECRET not in shown
    return shown[:6]


RTSP = Target(
    "rtsp",
    lambda: [SETUP, DESCRIBE, MOVED, DESCRIBE + SETUP + MOVED],
    _read_rtsp,
    words=(
        *(b"\r\n", b"\n", b"\n\r", b"\r", b"$", b"$\x00\x00\x00", b"$\x00\xff\xff", b":", b","),
        *(b"RTSP/1.0 301 x\n", b"Location: rtsp://10.0.0.1/\n", b"OPTIONS * RTSP/1.0\n"),
        *(b"Content-Length: 5\n", b"content-length:-1\n", b"Transport:", b"source=10.0.0.1"),
        *(b"; destination=10.0.0.1", b"interleaved=0-1", b"\xff", b"\x00", b"[", b"9" * 4400),
    ),
)
LOGINS = Target(
    "logins",
    lambda: [
        b'Digest realm="a", nonce="b", qop="auth", algorithm=MD5',
        b"Basic realm=x",
        b"Digest ",
    ],
    _read_login,
    words=(
        *(b"Digest ", b"Basic ", b"\n", b'"', b"\\", b",", b"=", b"stale=true", b"opaque="),
        *(b"algorithm=SHA-256-sess", b"qop=auth-int", b"\xff"),
    ),
)
