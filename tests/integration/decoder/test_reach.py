"""Where a source may lead: a hostile origin names addresses that are denied."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from hermes.v1.camera_pb2 import SOURCE_ERROR_NOT_FOUND, SOURCE_ERROR_REFUSED
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from tests.integration.decoder.conftest import RtspServer
from tests.support import video
from tests.support.origin import Answerer, Origin, redirect
from tests.support.web_server import playlist
from tests.support.wrong_server import WrongServer

SETTINGS = DecoderSettings(
    open_timeout_s=3.0, read_timeout_s=1.0, networks_denied="127.0.0.2,127.0.0.3"
)
TOKEN = "s3cretw0rd"
Pages = dict[str, bytes | Answerer]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return video.write(tmp_path_factory.mktemp("reach") / "clip.ts", 20, rate=10).read_bytes()


@pytest.fixture(scope="module")
def inside(clip: bytes) -> Iterator[Origin]:
    """What must not be reached."""
    with Origin({"/clip.ts": clip, "/key": bytes(16)}, host="127.0.0.2") as origin:
        yield origin


def frames_of(url: str, settings: DecoderSettings = SETTINGS) -> int:
    with Source(url, settings) as source:
        return sum(1 for _ in source.frames(lambda: None, lambda: None))


def master(url: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\n{url}\n".encode()


def with_tag(tag: str) -> bytes:
    return playlist("clip.ts").replace(b"#EXTINF", f"{tag}\n#EXTINF".encode())


HOSTILE: dict[str, Callable[[str], Pages]] = {
    "redirect": lambda there: {"/live.m3u8": redirect(f"{there}/clip.ts?token={TOKEN}")},
    "segment": lambda there: {"/live.m3u8": playlist(f"{there}/clip.ts?token={TOKEN}")},
    "segment's redirect": lambda there: {
        "/live.m3u8": playlist("a.ts"),
        "/a.ts": redirect(f"{there}/clip.ts"),
    },
    "key": lambda there: {
        "/live.m3u8": with_tag(f'#EXT-X-KEY:METHOD=AES-128,URI="{there}/key?pin={TOKEN}"')
    },
    "map": lambda there: {"/live.m3u8": with_tag(f'#EXT-X-MAP:URI="{there}/clip.ts"')},
    "nested playlist": lambda there: {"/live.m3u8": master(f"{there}/live.m3u8")},
    "segment of a nested playlist": lambda there: {
        "/live.m3u8": master("below.m3u8"),
        "/below.m3u8": playlist(f"{there}/clip.ts"),
    },
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("host", ["127.0.0.2", "2130706434", "[::ffff:127.0.0.2]", "0x7f.2"])
def test_a_denied_address_is_not_reached(kind: str, host: str, clip: bytes, inside: Origin) -> None:
    before = inside.connections
    with (
        Origin(HOSTILE[kind](f"http://{host}:{inside.port}") | {"/clip.ts": clip}) as origin,
        pytest.raises(SourceFault, match="not allowed here") as refused,
    ):
        frames_of(origin.url("/live.m3u8"))
    assert refused.value.error == SOURCE_ERROR_REFUSED
    assert not refused.value.permanent
    assert TOKEN not in refused.value.message
    assert inside.connections == before


def test_a_name_that_means_a_denied_address_or_another_one_later(
    clip: bytes, inside: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])
    really = socket.getaddrinfo

    def rebinding(host: str, port: int, *rest: object, **more: object) -> object:
        known = next(answers) if host == "rebinding.example" else host
        return really(known, port, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    before = inside.connections
    with Origin({"/clip.ts": clip}) as origin:
        url = origin.url("/clip.ts", host="rebinding.example")
        assert frames_of(url) == 20
        assert origin.asked[0][1]["host"] == f"rebinding.example:{origin.port}"
        with pytest.raises(SourceFault, match="not allowed here"):
            frames_of(url)
    assert inside.connections == before


def test_only_allowed_networks(clip: bytes) -> None:
    only = SETTINGS.model_copy(update={"networks_allowed": "127.0.0.8/29"})
    with Origin({"/clip.ts": clip}) as origin, Origin({"/clip.ts": clip}, "127.0.0.9") as allowed:
        assert frames_of(allowed.url("/clip.ts"), only) == 20
        with pytest.raises(SourceFault, match="not allowed here"):
            frames_of(origin.url("/clip.ts"), only)
        assert origin.connections == 0


def test_what_is_allowed_plays_encrypted_in_parts_and_after_redirects(
    clip: bytes, tmp_path: Path
) -> None:
    key, start = bytes(range(16)), bytes(range(16, 32))
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES128(key), modes.CBC(start)).encryptor()
    encrypted = cipher.update(padder.update(clip) + padder.finalize()) + cipher.finalize()
    parts = f"#EXT-X-BYTERANGE:{len(clip)}@1000"
    late = video.write(tmp_path / "late.mov", 40, size=(320, 240)).read_bytes()
    pages: Pages = {
        "/clip.ts": clip,
        "/key": key,
        "/secret.ts": encrypted,
        "/encrypted.m3u8": playlist("secret.ts").replace(
            b"#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x{start.hex()}\n#EXTINF'.encode()
        ),
        "/all.ts": b"x" * 1000 + clip + b"y" * 1000,
        "/parts.m3u8": playlist("all.ts").replace(b"all.ts", f"{parts}\nall.ts".encode()),
        "/moved": redirect("/below/live.m3u8"),
        "/below/live.m3u8": playlist("../clip.ts"),
        "/master.m3u8": master("below/live.m3u8"),
        "/late.mp4": late,
    }
    with Origin(pages) as origin:
        assert frames_of(origin.url("/encrypted.m3u8")) == 20
        assert frames_of(origin.url("/parts.m3u8")) == 20
        assert frames_of(origin.url("/moved")) == 20
        assert frames_of(origin.url("/master.m3u8")) == 20
        assert frames_of(origin.url("/late.mp4")) == 40


@pytest.mark.parametrize("host", ["127.0.0.2", "0x7f000002", "[::ffff:127.0.0.3]"])
@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_camera_at_a_denied_address_is_refused(scheme: str, host: str) -> None:
    with pytest.raises(SourceFault, match="not allowed here") as refused:
        frames_of(f"{scheme}://viewer:{TOKEN}@{host}:9/live?token={TOKEN}")
    assert refused.value.error == SOURCE_ERROR_REFUSED
    assert TOKEN not in refused.value.message


def test_an_rtsp_redirect_to_another_address_is_refused(inside: Origin) -> None:
    before = inside.connections
    for host in ("127.0.0.2", "localhost", "127.0.0.1"):
        moved = f"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://{host}:{inside.port}/x\r\n\r\n"
        with WrongServer(moved.encode()) as server:
            with pytest.raises(SourceFault, match="redirects to another address") as refused:
                frames_of(server.url("rtsp", credentials=f"viewer:{TOKEN}"))
            assert refused.value.error == SOURCE_ERROR_REFUSED
            assert all(TOKEN.encode() not in asked for asked in server.asked)
    assert inside.connections == before


def test_rtsp_is_read_through_the_relay(rtsp: Callable[..., RtspServer]) -> None:
    server = rtsp("viewer:right")
    with Source(server.url("viewer:right"), SETTINGS) as source:
        frames = source.frames(lambda: None, lambda: None)
        assert sum(1 for _ in zip(range(10), frames, strict=False)) == 10


def test_no_segment_is_there_and_a_playlist_says_so() -> None:
    with Origin({"/live.m3u8": playlist("none.ts")}) as origin:
        with pytest.raises(SourceFault, match="its first segment cannot be read") as lost:
            frames_of(origin.url("/live.m3u8"))
        assert lost.value.error == SOURCE_ERROR_NOT_FOUND
