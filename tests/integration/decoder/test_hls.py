"""HLS from an origin that misbehaves, read as the decoder reads it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from hermes.v1.camera_pb2 import SOURCE_ERROR_REFUSED, SOURCE_STATE_ENDED, SOURCE_STATE_ONLINE
from services.decoder.faults import SourceFault
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.decoder.sources import open_source
from services.decoder.trust import MISSED_SEGMENT
from tests.support.decoder_service import DecoderService
from tests.support.hls import FRAMES, encrypted, playlist, segment
from tests.support.waiting import eventually
from tests.support.web_origin import Asked, Route, WebOrigin, page

SETTINGS = DecoderSettings(open_timeout_s=3.0, read_timeout_s=0.5, frame_size="384x384")
COUNT = 5
LARGE = (480, 320)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Segments by name: `0.ts` to `4.ts` in a row, `zero.ts`, `far.ts`, `large.ts`."""
    folder = tmp_path_factory.mktemp("hls")
    found = {f"{number}.ts": segment(folder, number * 1000) for number in range(COUNT)}
    return found | {
        "zero.ts": segment(folder, 0),
        "far.ts": segment(folder, 5_000_000),
        "large.ts": segment(folder, 1000, LARGE),
    }


@pytest.fixture
def origin(made: dict[str, bytes]) -> Iterator[WebOrigin]:
    """An origin of these segments."""
    with WebOrigin({f"/{name}": page(data) for name, data in made.items()}) as started:
        yield started


class Read:
    """All frames of a source: positions, widths, and the reasons of gaps."""

    def __init__(self, url: str, settings: DecoderSettings = SETTINGS) -> None:
        self.at_s: list[float] = []
        self.widths: list[int] = []
        self.gaps: list[tuple[float, str]] = []
        self.errors = 0
        with open_source(url, settings, 5.0) as source:
            assert isinstance(source, Source)
            for frame in source.frames(lambda: None, self._failed):
                at_s = round(source.position_s(frame) or 0.0, 3)
                self.at_s.append(at_s)
                self.widths.append(frame.width)
                if (gap := source.take_gap()) is not None:
                    self.gaps.append((at_s, gap))
            self.ending = source.ending()

    def _failed(self) -> None:
        self.errors += 1


ANEW = "#EXT-X-DISCONTINUITY"
WHOLE = {
    "in a row": ["0.ts", "1.ts", "2.ts"],
    "clocks that begin anew": ["zero.ts", ANEW, "zero.ts", ANEW, "zero.ts"],
    "the same without a word": ["zero.ts", "zero.ts", "zero.ts"],
    "clocks that leap": ["0.ts", ANEW, "far.ts", ANEW, "1.ts"],
    "a leap without a word": ["0.ts", "far.ts", "1.ts"],
    "a size that changes": ["0.ts", ANEW, "large.ts", ANEW, "2.ts"],
    "a size that changes without a word": ["0.ts", "large.ts", "2.ts"],
}


@pytest.mark.parametrize("name", WHOLE)
def test_no_frame_is_lost_and_time_goes_on(origin: WebOrigin, name: str) -> None:
    origin.routes["/film.m3u8"] = page(playlist(*WHOLE[name]))
    read = Read(origin.url("/film.m3u8"))
    assert read.at_s == pytest.approx([index / FRAMES for index in range(3 * FRAMES)], abs=0.02)
    assert read.gaps == []
    assert read.errors == 0
    assert read.ending.whole
    if "size" in name:
        assert read.widths == [96] * FRAMES + [LARGE[0]] * FRAMES + [96] * FRAMES


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_segment_that_is_refused_is_a_gap_and_the_rest_is_read(
    origin: WebOrigin, status: int
) -> None:
    origin.routes["/1.ts"] = lambda asked: asked.answer(status=status)
    origin.routes["/film.m3u8"] = page(playlist("0.ts", "1.ts", "2.ts"))
    read = Read(origin.url("/film.m3u8"))
    assert read.at_s == pytest.approx(
        [index / FRAMES for index in [*range(FRAMES), *range(2 * FRAMES, 3 * FRAMES)]], abs=0.02
    )
    assert read.gaps == [(2.0, MISSED_SEGMENT)]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_segment_that_is_refused_once_is_fetched_again(
    origin: WebOrigin, made: dict[str, bytes], status: int
) -> None:
    def once(asked: Asked) -> None:
        if asked.count == 1:
            asked.answer(status=status)
        else:
            asked.answer(made["1.ts"])

    origin.routes["/1.ts"] = once
    origin.routes["/film.m3u8"] = page(playlist("0.ts", "1.ts", "2.ts"))
    read = Read(origin.url("/film.m3u8"))
    assert len(read.at_s) == 3 * FRAMES
    assert read.gaps == []


def test_a_segment_that_breaks_off_costs_no_whole_frame_that_is_wrong(
    origin: WebOrigin, made: dict[str, bytes]
) -> None:
    def cut(asked: Asked) -> None:
        data = made["1.ts"]
        asked.begin(headers=[("Content-Length", str(len(data)))])
        asked.send(data[: len(data) // 2])
        asked.hang_up()

    origin.routes["/1.ts"] = cut
    origin.routes["/film.m3u8"] = page(playlist("0.ts", "1.ts", "2.ts"))
    read = Read(origin.url("/film.m3u8"))
    assert 2 * FRAMES < len(read.at_s) < 3 * FRAMES
    assert read.at_s[-FRAMES:] == pytest.approx([2 + i / FRAMES for i in range(FRAMES)], abs=0.02)
    assert len(read.gaps) == 1


def test_encrypted_segments(origin: WebOrigin, made: dict[str, bytes]) -> None:
    key = b"0123456789abcdef"
    origin.routes["/key"] = page(key)
    for number in range(3):
        origin.routes[f"/{number}.ts"] = page(encrypted(made[f"{number}.ts"], key, number))
    tag = '#EXT-X-KEY:METHOD=AES-128,URI="key"'
    origin.routes["/film.m3u8"] = page(playlist(tag, "0.ts", "1.ts", "2.ts"))
    read = Read(origin.url("/film.m3u8"))
    assert len(read.at_s) == 3 * FRAMES
    assert read.gaps == []


@pytest.mark.parametrize("name", ["segment", "a.php", "live.jpg", "x.ts.bin", "get"])
def test_what_segments_are_called_does_not_matter(
    origin: WebOrigin, made: dict[str, bytes], name: str
) -> None:
    origin.routes[f"/{name}"] = page(made["0.ts"])
    origin.routes["/film"] = page(b"\xef\xbb\xbf" + playlist(f"{name}?number=0"))
    assert len(Read(origin.url("/film")).at_s) == FRAMES


def variants(*entries: tuple[str, str]) -> bytes:
    lines = [
        f"#EXT-X-STREAM-INF:BANDWIDTH={100_000 * (index + 1)},RESOLUTION={size}\n{name}"
        for index, (size, name) in enumerate(entries)
    ]
    return "\n".join(["#EXTM3U", *lines, ""]).encode()


@pytest.mark.parametrize(
    ("frame_size", "width", "asked"),
    [("64x64", 96, "/small.m3u8"), ("384x384", LARGE[0], "/large.m3u8")],
)
def test_of_variants_only_the_smallest_that_is_large_enough_is_fetched(
    origin: WebOrigin, frame_size: str, width: int, asked: str
) -> None:
    origin.routes["/small.m3u8"] = page(playlist("1.ts"))
    origin.routes["/large.m3u8"] = page(playlist("large.ts"))
    origin.routes["/film.m3u8"] = page(
        variants(("96x64", "small.m3u8"), ("480x320", "large.m3u8"), ("1920x1080", "none.m3u8"))
    )
    settings = SETTINGS.model_copy(update={"frame_size": frame_size})
    read = Read(origin.url("/film.m3u8"), settings)
    assert read.widths == [width] * FRAMES
    assert [path for path in origin.asked if path.endswith("m3u8")] == ["/film.m3u8", asked]


def test_the_next_best_variant_is_taken_where_the_best_is_not_there(origin: WebOrigin) -> None:
    origin.routes["/small.m3u8"] = page(playlist("1.ts"))
    origin.routes["/film.m3u8"] = page(
        variants(("96x64", "small.m3u8"), ("1920x1080", "none.m3u8"))
    )
    assert len(Read(origin.url("/film.m3u8")).at_s) == FRAMES


def endless(line: bytes) -> Route:
    def serve(asked: Asked) -> None:
        asked.begin("application/vnd.apple.mpegurl")
        asked.send(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n")
        while True:
            asked.send(line * 1000)

    return serve


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/long.m3u8", "its playlist is longer than 8 MiB"),
        ("/many.m3u8", "its playlist has more than 100000 entries"),
        ("/nested.m3u8", "playlists that list playlists"),
        ("/inner.m3u8", "playlists that list playlists"),
    ],
)
def test_playlists_are_bounded(origin: WebOrigin, path: str, words: str) -> None:
    origin.routes |= {
        "/long.m3u8": endless(b"#EXTINF:1.0,\nhttp://127.0.0.1/a/long/name/of/a/segment.ts\n"),
        "/many.m3u8": page(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + b"#EXTINF:1,\na\n" * 100_001),
        "/nested.m3u8": page(variants(("96x64", "nested.m3u8"))),
        "/inner.m3u8": page(playlist("film.m3u8")),
        "/film.m3u8": page(playlist("0.ts")),
    }
    with pytest.raises(SourceFault) as caught:
        Read(origin.url(path))
    assert caught.value.error == SOURCE_ERROR_REFUSED
    assert words in caught.value.message


def test_a_playlist_that_does_not_end_is_bounded_in_time(origin: WebOrigin) -> None:
    def drips(asked: Asked) -> None:
        asked.begin("application/vnd.apple.mpegurl")
        asked.send(b"#EXTM3U\n")
        for _ in range(200):
            asked.send(b"#EXTINF:1.0,\n")
            time.sleep(0.05)

    origin.routes["/slow.m3u8"] = drips
    began_s = time.monotonic()
    with pytest.raises(SourceFault):
        Read(origin.url("/slow.m3u8"), SETTINGS.model_copy(update={"open_timeout_s": 1.0}))
    assert time.monotonic() - began_s < 4.0


class Live:
    """A live playlist whose window of three segments moves on when it is told to."""

    def __init__(self, origin: WebOrigin, made: dict[str, bytes]) -> None:
        self.first = 0
        self.ended = False
        self._origin = origin
        self._folder: dict[int, bytes] = {n: made[f"{n}.ts"] for n in range(COUNT)}
        origin.routes["/live.m3u8"] = self._list

    def _list(self, asked: Asked) -> None:
        names = [f"{number}.ts" for number in range(self.first, self.first + 3)]
        asked.answer(playlist(*names, first=self.first, end=self.ended))


def test_a_live_playlist_that_slides_by_while_nobody_reads(
    origin: WebOrigin, made: dict[str, bytes]
) -> None:
    live = Live(origin, made)
    at_s: list[float] = []
    gaps: list[str] = []
    with open_source(origin.url("/live.m3u8"), SETTINGS, 5.0) as source:
        for frame in source.frames(lambda: None, lambda: None):
            at_s.append(round(source.position_s(frame) or 0.0, 3))
            if (gap := source.take_gap()) is not None:
                gaps.append(gap)
            if len(at_s) == 5:
                del origin.routes["/1.ts"], origin.routes["/2.ts"], origin.routes["/0.ts"]
                live.first, live.ended = 2, True
                origin.routes["/2.ts"] = lambda asked: asked.answer(status=404)
    assert at_s[-1] == pytest.approx(4.9, abs=0.02)
    assert all(b - a > 0 for a, b in pairwise(at_s))
    assert len(gaps) <= 1


@pytest.mark.slow
def test_a_live_stream_outlives_a_segment_that_is_refused_and_a_server_that_dies(
    redis_url: str, redis_client: object, tmp_path: Path, made: dict[str, bytes]
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    segments = made | {f"{n}.ts": segment(folder, n * 1000) for n in range(COUNT, 14)}
    origin = WebOrigin({f"/{name}": page(data) for name, data in segments.items()})
    origin.routes["/5.ts"] = lambda asked: asked.answer(status=403)
    began_s: list[float] = []

    def window(asked: Asked) -> None:
        began_s.append(time.monotonic())
        newest = min(13, 2 + int(began_s[-1] - began_s[0]))
        names = [f"{number}.ts" for number in range(newest - 2, newest + 1)]
        asked.answer(playlist(*names, first=newest - 2, end=newest == 13))

    origin.routes["/live.m3u8"] = window
    origin.start()
    port = origin.port
    with DecoderService(redis_url, tmp_path / "service", HERMES_READ_TIMEOUT_S="0.7") as decoder:
        decoder.add("live", origin.url("/live.m3u8"))
        decoder.wait_for("live", SOURCE_STATE_ONLINE)
        eventually(lambda: any(c.discontinuity for c in decoder.chunks("live")), name="the gap")
        assert decoder.status("live").reconnects == 0
        before = len(decoder.frames("live"))
        origin.kill()
        threading.Timer(1.0, origin.start, (port,)).start()
        eventually(lambda: len(decoder.frames("live")) > before + 10, name="frames after that")
        decoder.wait_for("live", SOURCE_STATE_ENDED, timeout_s=25.0)
        metrics = decoder.get("/metrics")
    origin.kill()
    assert 'outcome="damaged"' in metrics
    times = [frame.capture_time_ms for frame in decoder.frames("live")]
    assert all(a < b for a, b in pairwise(times))
