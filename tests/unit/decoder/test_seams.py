"""Which packets of a playlist are damaged, and which only come before a seam."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from av.packet import Packet
from av.video.stream import VideoStream

from services.decoder.seams import Seams


def packet(number: int, *, flagged: bool = False, key: bool = False) -> Packet[VideoStream]:
    made = cast("Packet[VideoStream]", Packet(b"data"))
    made.dts, made.time_base = number, Fraction(1, 10)
    made.is_keyframe, made.is_corrupt = key, flagged
    return made


def judged(*packets: Packet[VideoStream]) -> list[tuple[int | None, bool]]:
    seams = Seams(0.1)
    return [(one.dts, damaged) for given in packets for one, damaged, _ in seams.next(given)]


def test_packets_before_a_key_frame_that_follows_are_intact() -> None:
    assert judged(packet(1), packet(2, flagged=True), packet(3), packet(4, key=True)) == [
        (1, False),
        (2, False),
        (3, False),
        (4, False),
    ]


def test_without_a_key_frame_in_time_the_flag_counts() -> None:
    assert judged(packet(1, flagged=True), packet(2), packet(3)) == [
        (1, True),
        (2, False),
        (3, False),
    ]


def test_a_missing_segment_is_damage() -> None:
    assert judged(packet(1, flagged=True), packet(30, key=True)) == [(1, True), (30, False)]


def test_the_end_lets_go_of_what_is_held() -> None:
    end = cast("Packet[VideoStream]", Packet())
    assert judged(packet(1, flagged=True), end) == [(1, True), (end.dts, False)]
