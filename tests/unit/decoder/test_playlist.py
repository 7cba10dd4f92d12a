"""What a playlist lists, the joins between its segments, and the one clock made of them."""

from __future__ import annotations

import pytest

from services.decoder.faults import SourceFault
from services.decoder.joins import Join, Joins
from services.decoder.playlist import MAX_ENTRIES, MAX_PLAYLIST_BYTES, Playlist
from services.decoder.splices import Splices

BASE = "http://host/a/live.m3u8?token=x"


def parsed(*lines: str) -> Playlist:
    return Playlist.parse("\n".join(["#EXTM3U", *lines]).encode(), BASE)


def live(first: int, count: int, *, anew: int | None = None) -> Playlist:
    """Segments of two seconds, named by their number."""
    lines = [f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    for number in range(first, first + count):
        if number == anew:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += ["#EXTINF:2.0,", f"{number}.ts"]
    return parsed(*lines)


def url(number: int) -> str:
    return f"http://host/a/{number}.ts"


def test_segments_keys_and_ranges() -> None:
    found = parsed(
        "#EXT-X-MEDIA-SEQUENCE:7",
        '#EXT-X-KEY:METHOD=AES-128,URI="k.bin",IV=0x1',
        "#EXTINF:2.002,a title, with a comma",
        "#EXT-X-BYTERANGE:100@50",
        "all.ts",
        "#EXTINF:1,",
        "#EXT-X-BYTERANGE:200",
        "all.ts",
        "# a comment",
        "#EXT-X-DISCONTINUITY",
        "#EXTINF:nonsense,",
        "http://other/x.ts?y=1",
    )
    assert [(s.number, s.url, s.offset, s.duration_s, s.begins_anew) for s in found.segments] == [
        (7, "http://host/a/all.ts", 50, 2.002, False),
        (8, "http://host/a/all.ts", 150, 1.0, False),
        (9, "http://other/x.ts?y=1", 0, 0.0, True),
    ]
    assert found.keys == {"http://host/a/k.bin"}


VARIANTS = parsed(
    '#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"',
    "sound.m3u8",
    '#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=320x180,CODECS="avc1.42e00a,mp4a.40.2"',
    "small.m3u8",
    "#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1920x1080",
    "large.m3u8",
    "#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360",
    "poor.m3u8",
    "#EXT-X-STREAM-INF:BANDWIDTH=1500000,RESOLUTION=640x360",
    "middle.m3u8",
)


@pytest.mark.parametrize(
    ("pixels", "names"),
    [
        (384 * 384, ["middle", "poor", "large", "small"]),
        (320 * 180, ["small", "middle", "poor", "large"]),
        (1280 * 720, ["large", "middle", "poor", "small"]),
        (4096 * 2160, ["large", "middle", "poor", "small"]),
    ],
)
def test_the_smallest_variant_that_is_large_enough_comes_first(
    pixels: int, names: list[str]
) -> None:
    found = [one.url.rpartition("/")[2].split(".")[0] for one in VARIANTS.best_first(pixels)]
    assert found == names


def test_without_sizes_the_one_with_most_bits_comes_first() -> None:
    found = parsed(
        "#EXT-X-STREAM-INF:BANDWIDTH=1", "a", "#EXT-X-STREAM-INF:BANDWIDTH=3", "b",
        "#EXT-X-STREAM-INF:BANDWIDTH=2", "c",
    )  # fmt: skip
    assert [one.url[-1] for one in found.best_first(100)] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"#EXTM3U\n" + b"#" * MAX_PLAYLIST_BYTES, "longer than 8 MiB"),
        (b"#EXTM3U\n" + b"a\n" * (MAX_ENTRIES + 1), "more than 100000 entries"),
        (b"#EXTM3U\n" + b"a" * 5000, "an address of more than 4096"),
    ],
)
def test_bounds(data: bytes, words: str) -> None:
    with pytest.raises(SourceFault, match=words):
        Playlist.parse(data, BASE)


def test_joins_lie_where_the_bytes_of_a_segment_begin() -> None:
    joins = Joins()
    joins.listed(live(0, 5))
    for number in range(3):
        joins.opened(url(number), 0, there=True)
        joins.read(100)
    assert [joins.before(at) for at in (0, 99, 100, 150, None, 250)] == [
        None, None, Join(), None, None, Join(),
    ]  # fmt: skip


def test_a_segment_that_cannot_be_fetched_is_missing_and_so_are_those_that_slid_by() -> None:
    joins = Joins()
    joins.listed(live(0, 5))
    joins.opened(url(0), 0, there=True)
    joins.opened(url(1), 0, there=False)
    joins.opened(url(2), 0, there=True)
    assert joins.before(0) == Join(missing_s=2.0)
    joins.listed(live(100, 5))
    joins.opened(url(101), 0, there=True)
    assert joins.before(0) == Join(missing_s=98 * 2.0)


def test_a_cut_segment_a_new_beginning_and_a_key() -> None:
    joins = Joins()
    joins.listed(live(0, 5, anew=2))
    joins.opened(url(0), 0, there=True)
    joins.broke_off()
    joins.opened("http://host/key", 0, there=True)
    joins.opened(url(1), 0, there=True)
    assert joins.before(0) == Join(cut=True)
    joins.opened(url(2), 0, there=True)
    assert joins.before(0) == Join(anew=True)


def test_one_file_that_is_listed_several_times() -> None:
    joins = Joins()
    joins.listed(parsed(*["#EXTINF:2,", "a.ts"] * 3))
    for _ in range(3):
        joins.opened("http://host/a/a.ts", 0, there=True)
        assert joins.before(0) in (None, Join())


@pytest.mark.parametrize(
    ("stamp_s", "join", "position_s"),
    [
        (10.0, Join(), 10.0),
        (10.1, Join(anew=True), 10.1),
        (0.0, Join(anew=True), 10.0),
        (0.0, Join(), 10.0),
        (95_443.0, Join(anew=True), 10.0),
        (95_443.0, Join(), 10.0),
        (15.0, Join(), 15.0),
        (12.0, Join(anew=True), 10.0),
        (16.0, Join(missing_s=6.0), 16.0),
        (17.5, Join(missing_s=6.0), 17.5),
        (0.0, Join(missing_s=6.0), 16.0),
        (10.0, Join(missing_s=6.0), 16.0),
    ],
)
def test_time_goes_on_at_a_join(stamp_s: float, join: Join, position_s: float) -> None:
    splices = Splices()
    splices.join(3.0, Join())
    splices.read(9.5, 0.5)
    splices.join(stamp_s, join)
    assert splices.position_s(stamp_s) == pytest.approx(position_s)
    if join.whole:
        late = splices.position_s(9.9)  # of a frame that the decoder still held
        assert late == pytest.approx(9.9)
    splices.read(stamp_s, 0.5)
    assert splices.end_s == pytest.approx(position_s + 0.5)
