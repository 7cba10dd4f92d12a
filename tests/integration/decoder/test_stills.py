"""MJPEG streams and snapshot URLs of cameras that misbehave, read as the decoder reads them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from av.video.frame import VideoFrame

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
    SOURCE_ERROR_UNAVAILABLE,
    SourceError,
)
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings
from services.decoder.sources import open_source
from services.decoder.still_source import DAMAGED_STILL, StillSource
from tests.support.stills import BLUE, GREEN, colour_of, parts, still
from tests.support.web_origin import Asked, Route, WebOrigin, page

SETTINGS = DecoderSettings(open_timeout_s=2.0, read_timeout_s=0.2)
FPS = 20.0
COLOURS = [GREEN, BLUE]


@pytest.fixture
def origin() -> Iterator[WebOrigin]:
    with WebOrigin() as started:
        yield started


def opened(url: str, fps: float = FPS) -> StillSource:
    source = open_source(url, SETTINGS, fps)
    assert isinstance(source, StillSource)
    return source


def nothing() -> None:
    """For callbacks that do not matter."""


def first(
    source: StillSource, count: int, on_error: Callable[[], None] = nothing
) -> list[VideoFrame]:
    return list(itertools.islice(source.frames(nothing, on_error), count))


def is_near(frame: VideoFrame, colour: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(colour_of(frame), colour, strict=True))


def mjpeg(body: bytes, kind: str = "multipart/x-mixed-replace; boundary=frame") -> Route:
    def serve(asked: Asked) -> None:
        asked.begin(kind)
        asked.send(body)

    return serve


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/x-mixed-replace; boundary=frame",
        'multipart/x-mixed-replace;boundary="--frame"',
        "multipart/mixed",
        "text/plain",
        "",
    ],
)
def test_mjpeg_in_every_wrapping(origin: WebOrigin, kind: str) -> None:
    pictures = [still(colour) for colour in COLOURS]
    origin.routes["/mjpeg"] = mjpeg(parts(pictures * 2, length=False), kind)
    with opened(origin.url("/mjpeg")) as source:
        frames = list(source.frames(nothing, nothing))
        assert len(frames) == 4
        assert all(
            is_near(frame, colour) for frame, colour in zip(frames, COLOURS * 2, strict=True)
        )
        times = [source.position_s(frame) for frame in frames]
        assert all(a is not None and b is not None and a <= b for a, b in pairwise(times))
        assert source.real_time


def test_parts_that_are_no_pictures_and_a_broken_one(origin: WebOrigin) -> None:
    whole, broken = still(GREEN), still(noise=True)[:1500]
    origin.routes["/mjpeg"] = mjpeg(
        parts([b"an event"], kind="text/plain")
        + parts([whole])
        + parts([broken])
        + parts([b"\1" * 300], kind="audio/basic")
        + parts([whole], kind="")
    )
    errors: list[int] = []
    gaps: list[str | None] = []
    with opened(origin.url("/mjpeg")) as source:
        for frame in source.frames(nothing, lambda: errors.append(1)):
            assert is_near(frame, GREEN)
            gaps.append(source.take_gap())
    assert len(errors) == 1
    assert gaps == [None, DAMAGED_STILL]


def test_pictures_that_are_not_due_are_not_decoded(origin: WebOrigin) -> None:
    origin.routes["/mjpeg"] = mjpeg(parts([still(GREEN), *[b"\xff\xd8 broken"] * 5]))
    errors: list[int] = []
    with opened(origin.url("/mjpeg")) as source:
        for _ in source.frames(nothing, lambda: errors.append(1)):
            source.rest(1000.0, 0.0)
    assert errors == []


def test_a_silent_mjpeg_stream_times_out_and_a_cut_one_ends(origin: WebOrigin) -> None:
    def silent(asked: Asked) -> None:
        mjpeg(parts([still()]))(asked)
        time.sleep(2)

    def cut(asked: Asked) -> None:
        asked.begin("multipart/x-mixed-replace", headers=[("Content-Length", "100000")])
        asked.send(parts([still()]))
        asked.hang_up()

    def drips(asked: Asked) -> None:
        mjpeg(parts([still()]) + b"--frame\r\n\r\n\xff\xd8")(asked)
        for _ in range(100):
            asked.send(b"x")
            time.sleep(0.05)

    origin.routes |= {"/silent": silent, "/cut": cut, "/drips": drips}
    for path, error in (
        ("/silent", SOURCE_ERROR_TIMEOUT),
        ("/drips", SOURCE_ERROR_TIMEOUT),
        ("/cut", SOURCE_ERROR_ENDED),
    ):
        with opened(origin.url(path)) as source:
            frames = source.frames(nothing, nothing)
            next(frames)
            with pytest.raises(SourceFault) as caught:
                next(frames)
        assert caught.value.error == error


def test_a_snapshot_is_fetched_at_the_wanted_rate_over_one_connection(origin: WebOrigin) -> None:
    origin.routes["/snap"] = page(still(GREEN), "image/jpeg")
    with opened(origin.url("/snap"), fps=10.0) as source:
        frames = first(source, 5)
        assert all(is_near(frame, GREEN) for frame in frames)
        at_s = [source.position_s(frame) for frame in frames]
    assert at_s == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4], abs=0.09)
    assert len(origin.asked) == 5
    assert origin.times[-1] - origin.times[0] >= 0.39
    assert origin.connections == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("type", ["image/jpeg", "application/octet-stream", ""])
def test_a_picture_is_recognised_by_itself(origin: WebOrigin, kind: str, type: str) -> None:
    origin.routes["/snap.cgi"] = page(still(BLUE, kind=kind), type)
    with opened(origin.url("/snap.cgi")) as source:
        assert all(is_near(frame, BLUE) for frame in first(source, 2))


@pytest.mark.parametrize(
    ("header", "condition"), [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")]
)
def test_what_has_not_changed_gives_no_frame(
    origin: WebOrigin, header: str, condition: str
) -> None:
    versions = iter(range(100))
    value, body = "", b""

    def snap(asked: Asked) -> None:
        nonlocal value, body
        if asked.count % 3 == 1:
            number = next(versions)
            value, body = f'"{number}"', still(COLOURS[number % 2])
        if asked.header(condition) == value:
            asked.answer(status=304)
        else:
            asked.answer(body, "image/jpeg", headers=[(header, value)])

    origin.routes["/snap"] = snap
    progress: list[int] = []
    with opened(origin.url("/snap")) as source:
        frames = list(itertools.islice(source.frames(lambda: progress.append(1), nothing), 3))
        assert source.resting, "no frame for long is no fault"
    assert [is_near(f, c) for f, c in zip(frames, [GREEN, BLUE, GREEN], strict=True)] == [True] * 3
    assert len(origin.asked) == 7
    assert origin.connections == 1
    assert len(progress) >= 7


def test_the_same_picture_with_the_same_mark_is_nothing_new(origin: WebOrigin) -> None:
    pictures = [still(GREEN), still(GREEN), still(BLUE), still(GREEN)]

    def snap(asked: Asked) -> None:
        asked.answer(pictures[asked.count - 1], "image/jpeg", headers=[("ETag", '"constant"')])

    origin.routes["/snap"] = snap
    with opened(origin.url("/snap")) as source:
        colours = [colour_of(frame) for frame in first(source, 3)]
    assert len(set(colours)) == 2
    assert len(origin.asked) == 4


def test_a_slow_server_makes_no_queue(origin: WebOrigin) -> None:
    def slow(asked: Asked) -> None:
        time.sleep(0.15)
        asked.answer(still(), "image/jpeg")

    origin.routes["/snap"] = slow
    with opened(origin.url("/snap"), fps=20.0) as source:
        frames = first(source, 4)
        positions = [source.position_s(frame) or 0.0 for frame in frames]
    assert len(origin.asked) == 4
    assert all(b - a >= 0.1 for a, b in pairwise(positions[1:]))


SAYS_LATER: dict[str, tuple[Route, SourceError]] = {
    "/gone": (lambda asked: asked.answer(status=503), SOURCE_ERROR_UNAVAILABLE),
    "/locked": (lambda asked: asked.answer(status=401), SOURCE_ERROR_AUTH),
    "/huge": (
        lambda asked: asked.begin("image/jpeg", headers=[("Content-Length", str(1 << 40))]),
        SOURCE_ERROR_REFUSED,
    ),
    "/silent": (lambda asked: time.sleep(1.0), SOURCE_ERROR_TIMEOUT),
}


@pytest.mark.parametrize("path", SAYS_LATER)
def test_a_snapshot_that_fails_later_is_a_fault(origin: WebOrigin, path: str) -> None:
    later, error = SAYS_LATER[path]

    def snap(asked: Asked) -> None:
        if asked.count == 1:
            asked.answer(still(), "image/jpeg")
        else:
            later(asked)

    origin.routes[path] = snap
    with opened(origin.url(path)) as source:
        frames = source.frames(nothing, nothing)
        next(frames)
        with pytest.raises(SourceFault) as caught:
            next(frames)
    assert caught.value.error == error


def test_a_broken_snapshot_is_a_gap_and_the_next_one_counts(origin: WebOrigin) -> None:
    def snap(asked: Asked) -> None:
        body = still(noise=True)[:900] if asked.count == 2 else still(GREEN)
        asked.answer(body, "image/jpeg")

    origin.routes["/snap"] = snap
    errors: list[int] = []
    with opened(origin.url("/snap")) as source:
        frames = source.frames(nothing, lambda: errors.append(1))
        next(frames)
        assert source.take_gap() is None
        next(frames)
        assert source.take_gap() == DAMAGED_STILL
    assert len(errors) == 1


REFUSED = {
    "MPEG-DASH": b'<?xml version="1.0"?>\n<!-- a comment -->\n<MPD xmlns="urn:mpeg:dash"></MPD>',
    "Smooth Streaming": b'\xef\xbb\xbf<?xml version="1.0"?><SmoothStreamingMedia MajorVersion="2">',
    "Adobe HDS": b'<?xml version="1.0"?><manifest xmlns="http://ns.adobe.com/f4m/1.0">',
    "a page for a browser": b"\n<!DOCTYPE html><html><video src=x></html>",
    "an SDP description": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    "a list of addresses": b"[playlist]\nFile1=http://x/y\n",
    "list of addresses": b"#EXTM3U\n#EXTINF:-1,A channel\nhttp://127.0.0.1/x\n",
    "an XML document": b"<?xml version='1.0'?><error>no</error>",
    "a JSON document": b'{"error": "no session"}',
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_formats_are_refused_by_name(origin: WebOrigin, name: str) -> None:
    origin.routes["/x"] = page(REFUSED[name])
    with pytest.raises(SourceFault) as caught:
        open_source(origin.url("/x"), SETTINGS, 1.0)
    assert caught.value.error == SOURCE_ERROR_REFUSED
    assert name in caught.value.message
    assert caught.value.message.count(": ") >= 1, "it says what to do"


def test_what_is_called_multipart_and_is_none_is_refused(origin: WebOrigin) -> None:
    origin.routes["/x"] = mjpeg(b"x" * (2 << 20))
    with opened(origin.url("/x")) as source, pytest.raises(SourceFault) as caught:
        list(source.frames(nothing, nothing))
    assert caught.value.error == SOURCE_ERROR_CODEC
    assert "not an MJPEG stream" in caught.value.message
