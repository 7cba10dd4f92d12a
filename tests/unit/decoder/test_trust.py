"""Frames are trusted from a clean key frame on, until something is lost."""

from __future__ import annotations

import av
import pytest

from services.decoder.trust import (
    DAMAGED_FRAME,
    DAMAGED_PACKET,
    LOST_PACKETS,
    OPENED,
    UNDECODABLE,
    Complaints,
    Trust,
)


def trusted() -> Trust:
    trust = Trust()
    trust.begin()
    trust.regain()
    return trust


def test_a_stream_that_begins_with_a_key_frame_has_no_gap() -> None:
    trust = Trust()
    assert trust.awaits_key
    trust.begin()
    assert (trust.doubt, trust.awaits_key) == (None, False)
    trust.regain()
    assert trust.take_gap() is None


def test_a_stream_that_was_joined_has_one() -> None:
    trust = Trust()
    trust.skip()
    trust.begin()
    assert trust.doubt == OPENED  # the decoder holds frames back until they are whole
    trust.regain()
    assert trust.doubt is None
    assert trust.take_gap() == OPENED
    assert trust.take_gap() is None


def test_the_first_reason_counts() -> None:
    trust = trusted()
    trust.lose(DAMAGED_FRAME)
    trust.lose(UNDECODABLE)
    assert trust.awaits_key
    trust.regain()  # nothing is whole before a key frame
    assert trust.doubt == DAMAGED_FRAME
    trust.begin()
    trust.regain()
    assert trust.take_gap() == DAMAGED_FRAME


@pytest.mark.parametrize("reason", [DAMAGED_PACKET, LOST_PACKETS])
def test_the_packet_after_a_flagged_one_is_suspect_as_well(reason: str) -> None:
    trust = trusted()
    assert not trust.suspects_packet()
    trust.lose(reason)
    assert [trust.suspects_packet() for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("RTP: missed 3 packets", True),
        ("Frame num gap 11 9", True),
        ("Could not find ref with POC 10", True),
        ("error while decoding MB 5 4, bytestream -7", True),
        ("Missing reference picture, default is 65530", True),
        ("ac-tex damaged at 0 3", True),
        ("nal_unit_type: 5(IDR), nal_ref_idc: 3", False),
        ("mmco: unref short failure", False),
    ],
)
def test_losses_that_only_the_log_tells(line: str, lost: bool) -> None:
    with Complaints() as complaints:
        assert complaints.take() is None
        av.logging.log(av.logging.DEBUG, "h264", line)
        assert (complaints.take() is not None) == lost
        assert complaints.take() is None
    assert av.logging.get_level() is None


def test_a_decoder_that_lacks_memory_is_told_from_one_that_refuses_a_size() -> None:
    with Complaints() as complaints:
        av.logging.log(av.logging.ERROR, "h264", "video_get_buffer: image parameters invalid")
        av.logging.log(av.logging.ERROR, "h264", "get_buffer() failed")
        assert complaints.take() is None
        av.logging.log(av.logging.ERROR, "h264", "thread_get_buffer() failed")
        with pytest.raises(MemoryError):
            complaints.take()
        assert complaints.take() is None
