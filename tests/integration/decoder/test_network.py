from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import redis

from hermes.v1.camera_pb2 import (
    GAP_REASON_RECONNECTED,
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_TLS,
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
)
from services.cli.redis_server import free_port
from services.common import keys
from tests.integration.decoder.conftest import RtspServer
from tests.support import video
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually
from tests.support.web_server import Page, WebServer, make_certificate, playlist

SECRET = "s3cr%C3%A9tw0rd!"


def test_a_stream_that_dies_comes_back_and_the_others_never_pause(
    decoder: DecoderService, rtsp: Callable[..., RtspServer]
) -> None:
    failing, steady = rtsp(), rtsp()
    decoder.add("steady", steady.url())
    decoder.add("failing", failing.url())
    for camera_id in ("steady", "failing"):
        decoder.wait_for(camera_id, SOURCE_STATE_ONLINE)
        decoder.wait_for_more(camera_id, 3)
    failing.kill()
    decoder.wait_for("failing", SOURCE_STATE_OFFLINE)
    last = decoder.log.last_id("failing")
    decoder.wait_for_more("steady", 3)
    failing.start()
    status = decoder.wait_for("failing", SOURCE_STATE_ONLINE, timeout_s=8)
    assert status.error == 0
    assert status.reconnects >= 1
    eventually(lambda: len(decoder.chunks("failing", last)) >= 3, name="three more chunks")
    after = decoder.chunks("failing", last)
    assert [c.discontinuity for c in after[:3]] == [True, False, False]
    assert [c.gap_reason for c in after[:3]] == [GAP_REASON_RECONNECTED, 0, 0]
    everything = decoder.chunks("failing")
    assert not any(c.discontinuity for c in everything[: -len(after)])
    assert all(
        a.first_frame_index + len(a.frames) == b.first_frame_index for a, b in pairwise(everything)
    )
    # Five a second were asked for; the other stream has no gap around all of this.
    assert decoder.longest_pause_ms("steady") < 900
    assert decoder.status("steady").reconnects == 0
    assert 3 <= decoder.status("steady").frames_per_second <= 6.5


def test_a_stalled_stream_times_out_and_comes_back(
    decoder: DecoderService, rtsp: Callable[..., RtspServer]
) -> None:
    server = rtsp()
    decoder.add("lobby", server.url())
    decoder.wait_for("lobby", SOURCE_STATE_ONLINE)
    pid = decoder.camera_pid("lobby")
    server.pause()
    decoder.wait_for("lobby", SOURCE_STATE_OFFLINE, SOURCE_ERROR_TIMEOUT)
    assert decoder.camera_pid("lobby") == pid, "the library's own time-out is enough here"
    server.resume()
    decoder.wait_for("lobby", SOURCE_STATE_ONLINE)
    decoder.wait_for_more("lobby")


def test_the_watchdog_kills_a_read_that_never_returns(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, rtsp: Callable[..., RtspServer]
) -> None:
    server, steady = rtsp(), rtsp()
    # The library's own time-outs are set aside, as if they did not work.
    slow = {"HERMES_READ_TIMEOUT_S": "120", "HERMES_WATCHDOG_S": "2"}
    with DecoderService(redis_url, tmp_path, **slow) as decoder:
        decoder.add("stuck", server.url())
        decoder.add("steady", steady.url())
        decoder.add("sparse", steady.url(), fps=0.1)
        decoder.wait_for("stuck", SOURCE_STATE_ONLINE)
        decoder.wait_for("sparse", SOURCE_STATE_ONLINE)
        decoder.wait_for("steady", SOURCE_STATE_ONLINE)
        pid = decoder.camera_pid("stuck")
        server.pause()
        status = decoder.wait_for("stuck", SOURCE_STATE_OFFLINE, SOURCE_ERROR_TIMEOUT)
        assert status.reconnects >= 1
        killed = decoder.events("camera_process_killed")
        assert {event["camera"] for event in killed} == {"stuck"}
        server.resume()
        decoder.wait_for("stuck", SOURCE_STATE_ONLINE)
        decoder.wait_for_more("stuck")
        assert decoder.camera_pid("stuck") != pid
        assert decoder.longest_pause_ms("steady") < 900
        assert decoder.status("steady").reconnects == 0
        assert decoder.status("sparse").reconnects == 0


def test_a_wrong_password_is_an_auth_error_and_is_shown_nowhere(
    decoder: DecoderService, rtsp: Callable[..., RtspServer]
) -> None:
    server = rtsp("viewer:right")
    with WebServer({"/v.mp4": Page(b"x", auth="Basic none")}) as web:
        urls = {
            "rtsp": server.url(f"viewer:{SECRET}"),
            "http": web.url("/v.mp4", f"viewer:{SECRET}"),
            "closed": f"rtsp://viewer:{SECRET}@127.0.0.1:{free_port()}/live",
            "nohost": f"http://viewer:{SECRET}@camera.invalid/live",
            "policy": f"ftp://viewer:{SECRET}@127.0.0.1/live",
        }
        for camera_id, url in urls.items():
            decoder.add(camera_id, url)
        decoder.add("right", server.url("viewer:right"))
        decoder.wait_for("rtsp", SOURCE_STATE_OFFLINE, SOURCE_ERROR_AUTH)
        decoder.wait_for("http", SOURCE_STATE_OFFLINE, SOURCE_ERROR_AUTH)
        decoder.wait_for("closed", SOURCE_STATE_OFFLINE, SOURCE_ERROR_REFUSED)
        decoder.wait_for("nohost", SOURCE_STATE_OFFLINE, SOURCE_ERROR_NOT_FOUND)
        eventually(lambda: decoder.status("policy").error == SOURCE_ERROR_REFUSED)
        decoder.wait_for("right", SOURCE_STATE_ONLINE)
        shown = decoder.output() + decoder.get("/metrics") + decoder.get("/readyz")
        for camera_id in urls:
            shown += str(decoder.redis.hgetall(keys.status(camera_id)))
            shown += str(decoder.redis.hgetall(keys.lease(camera_id, "decoder")))
        for process in decoder.family():
            shown += " ".join(process.cmdline()) + str(process.environ())
    assert "wrong or missing credentials" in shown
    token = base64.b64encode(f"viewer:{SECRET}".encode()).decode()
    for secret in (SECRET, quote(SECRET), unquote(SECRET), "s3cr", "w0rd", token):
        assert secret not in shown


def test_http_sources_and_what_they_may_lead_to(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    clip = video.write(tmp_path / "clip.ts", 40, rate=10)
    movie = video.write(tmp_path / "clip.mp4", 40, rate=10)
    secret = video.write(tmp_path / "secret.ts", 40, rate=10)
    with WebServer({}) as web:
        good = {
            "hls": ("/live.m3u8", Page(playlist("clip.ts", end=False))),
            "movie": ("/clip.mp4", Page(movie.read_bytes())),
            "moved": ("/moved", Page(location="/clip.mp4")),
        }
        bad = {
            "file": ("/file.m3u8", Page(playlist(f"file://{secret}"))),
            "path": ("/path.m3u8", Page(playlist(str(secret)))),
            "sub": ("/sub.m3u8", Page(playlist(f"subfile,,start,0,end,0,,:{secret}"))),
            "cat": ("/cat.m3u8", Page(playlist(f"concat:{secret}|{secret}"))),
            "tcp": ("/tcp.m3u8", Page(playlist(f"tcp://127.0.0.1:{web.port}/x.ts"))),
            "key": (
                "/key.m3u8",
                Page(
                    playlist("clip.ts").replace(
                        b"#EXTINF",
                        f'#EXT-X-KEY:METHOD=AES-128,URI="file://{secret}"\n#EXTINF'.encode(),
                    )
                ),
            ),
            "redirect": ("/redirect", Page(location=f"file://{secret}")),
            "other": ("/other", Page(location="rtsp://127.0.0.1:1/live")),
            "concat": ("/list", Page(f"ffconcat version 1.0\nfile 'file:{secret}'\n".encode())),
            "text": ("/text", Page(b"hello\n" * 200)),
        }
        web.pages = dict([*good.values(), *bad.values(), ("/clip.ts", Page(clip.read_bytes()))])
        with DecoderService(redis_url, tmp_path / "service") as decoder:
            for camera_id, (path, _) in (good | bad).items():
                decoder.add(camera_id, web.url(path))
            decoder.add("none", web.url("/none.mp4"))
            decoder.wait_for("none", SOURCE_STATE_OFFLINE, SOURCE_ERROR_NOT_FOUND)
            for camera_id in good:
                decoder.wait_for_more(camera_id, 5)
                assert all(chunk.live for chunk in decoder.chunks(camera_id))
            for camera_id in bad:
                status = decoder.wait_for(camera_id, SOURCE_STATE_OFFLINE)
                assert status.error in (
                    SOURCE_ERROR_REFUSED,
                    SOURCE_ERROR_CODEC,
                    SOURCE_ERROR_ENDED,
                    SOURCE_ERROR_NOT_FOUND,
                ), camera_id
                assert decoder.chunks(camera_id) == [], camera_id
            assert decoder.status("path").error == SOURCE_ERROR_NOT_FOUND
            assert decoder.status("redirect").error == SOURCE_ERROR_REFUSED
            assert decoder.status("file").error == SOURCE_ERROR_REFUSED
            for camera_id in ("file", "redirect", "other"):
                said = decoder.status(camera_id).error_message
                assert "leads to a protocol that is not allowed here: add the address" in said
            assert decoder.status("text").error == SOURCE_ERROR_CODEC
            # A film over HTTP comes all at once, and is still played at its own speed.
            frames = decoder.frames("movie")
            assert frames[4].capture_time_ms - frames[0].capture_time_ms >= 700
            decoder.wait_for("movie", SOURCE_STATE_ENDED, SOURCE_ERROR_ENDED)


def segments(folder: Path, count: int) -> dict[str, Page]:
    """So many segments of two seconds, one after the other in time."""
    pages = {}
    for number in range(count):
        times = [number * 2000 + i * 100 for i in range(20)]
        part = video.write(folder / f"{number}.ts", 0, rate=10, times_ms=times)
        pages[f"/{number}.ts"] = Page(part.read_bytes())
    return pages


@pytest.mark.slow
def test_a_recording_ends_and_a_live_playlist_goes_on_until_it_does(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    pages = segments(tmp_path, 4)
    names = [f"{number}.ts" for number in range(4)]
    movie = video.write(tmp_path / "clip.mp4", 80, rate=10).read_bytes()
    pages["/film.m3u8"] = Page(playlist(*names[:2]))
    pages["/live.m3u8"] = Page(playlist(*names[:2], end=False))
    late = video.write(tmp_path / "late.mov", 300, size=(320, 240)).read_bytes()  # index at its end
    pages["/late.mp4"] = Page(late)
    pages["/lost.m3u8"] = Page(playlist("none.ts"))
    pages["/missing.m3u8"] = Page(playlist(*names[:2], "none.ts", "none.ts"))
    pages["/cut.mp4"] = Page(movie[: len(movie) // 2])
    with WebServer(pages) as web, DecoderService(redis_url, tmp_path / "service") as decoder:
        for camera_id in ("film", "live", "missing"):
            decoder.add(camera_id, web.url(f"/{camera_id}.m3u8"))
        decoder.add("cut", web.url("/cut.mp4"))
        decoder.add("late", web.url("/late.mp4"))
        decoder.add("lost", web.url("/lost.m3u8"))
        status = decoder.wait_for("film", SOURCE_STATE_ENDED)
        assert status.error_message == "the recording was read whole (4.0 s)"
        assert status.reconnects == 0
        assert len(decoder.frames("film")) == 20, "five a second, each once"
        assert not any(chunk.discontinuity for chunk in decoder.chunks("film"))
        # What is missing is tried again; where each try ends alike, that is all there is.
        for camera_id in ("missing", "cut"):
            status = decoder.wait_for(camera_id, SOURCE_STATE_ENDED)
            assert re.fullmatch(
                r"the recording is cut: [234]\.\d of 8\.0 s could be read", status.error_message
            )
            assert len(decoder.frames(camera_id)) <= 21, "no frame is sampled twice"
        status = decoder.wait_for("late", SOURCE_STATE_FAILED, SOURCE_ERROR_CODEC)
        assert "the server answers no range requests" in status.error_message
        assert "qt-faststart" in status.error_message
        status = decoder.wait_for("lost", SOURCE_STATE_OFFLINE, SOURCE_ERROR_NOT_FOUND)
        assert "its first segment cannot be read" in status.error_message
        assert decoder.status("live").state == SOURCE_STATE_ONLINE
        pages["/live.m3u8"].body = playlist(*names[:3], end=False)
        eventually(lambda: len(decoder.frames("live")) > 22, name="frames of the third segment")
        pages["/live.m3u8"].body = playlist(*names)
        status = decoder.wait_for("live", SOURCE_STATE_ENDED, timeout_s=30.0)
        assert status.error_message == "the live stream has ended: its playlist is finished"
        assert 35 <= len(decoder.frames("live")) <= 41, "the finished playlist is not begun again"


@pytest.mark.slow
def test_the_next_decoder_does_not_read_a_recording_again_but_one_that_is_added_anew(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    pages = segments(tmp_path, 1)
    pages["/film.m3u8"] = Page(playlist("0.ts"))
    with WebServer(pages) as web:
        with DecoderService(redis_url, tmp_path / "a", HERMES_INSTANCE="first") as decoder:
            decoder.add("film", web.url("/film.m3u8"))
            decoder.wait_for("film", SOURCE_STATE_ENDED)
        fetched = web.asked.count("/0.ts")
        with DecoderService(redis_url, tmp_path / "b", HERMES_INSTANCE="second") as decoder:
            eventually(lambda: decoder.status("film").decoder == "second")
            status = decoder.wait_for("film", SOURCE_STATE_ENDED)
            assert status.error_message == "the recording was read whole (2.0 s)"
            assert web.asked.count("/0.ts") == fetched
            assert len(decoder.frames("film")) == 10
            decoder.remove("film")
            decoder.add("film", web.url("/film.m3u8"))
            eventually(lambda: web.asked.count("/0.ts") > fetched, name="it is read anew")
            decoder.wait_for("film", SOURCE_STATE_ENDED)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_certificates_are_checked(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    movie = video.write(tmp_path / "clip.mp4", 40, rate=10)
    pages = {"/clip.mp4": Page(movie.read_bytes()), "/down": Page()}
    with WebServer(pages, certificate) as web, WebServer(pages) as plain:
        pages["/down"].location = plain.url("/clip.mp4")
        wrong_name = web.url("/clip.mp4").replace("localhost", "127.0.0.1")
        with DecoderService(redis_url, tmp_path / "a") as decoder:
            decoder.add("unknown", web.url("/clip.mp4"))
            decoder.add("plain", plain.url("/clip.mp4").replace("http:", "https:"))
            decoder.add("rtsps", web.url("/x").replace("https:", "rtsps:"))
            for camera_id in ("unknown", "plain", "rtsps"):
                decoder.wait_for(camera_id, SOURCE_STATE_OFFLINE, SOURCE_ERROR_TLS)
        redis_client.flushdb()
        trusted = {"HERMES_TLS_CA_FILE": str(tmp_path / "cert.pem"), "HERMES_PROTOCOLS": "https"}
        with DecoderService(redis_url, tmp_path / "b", **trusted) as decoder:
            decoder.add("known", web.url("/clip.mp4"))
            decoder.add("name", wrong_name)
            decoder.add("down", web.url("/down"))
            decoder.wait_for_more("known", 3)
            decoder.wait_for("name", SOURCE_STATE_OFFLINE, SOURCE_ERROR_TLS)
            # Only https is allowed, so it may not lead to http.
            decoder.wait_for("down", SOURCE_STATE_OFFLINE)
            assert decoder.chunks("down") == []
            assert plain.asked.count("/clip.mp4") == 0
