"""Words for why no frame was seen, and their numbers in messages."""

from __future__ import annotations

from typing import cast

from hermes.v1 import camera_pb2

_PREFIX = "GAP_REASON_"
UNKNOWN = ""


def gap_word(reason: int) -> str:
    """`GAP_REASON_LOST_PACKETS` -> `lost_packets`; "" if it is not known here."""
    name = camera_pb2.GapReason.DESCRIPTOR.values_by_number.get(reason)
    return UNKNOWN if name is None or not reason else name.name.removeprefix(_PREFIX).lower()


def gap_number(word: str) -> camera_pb2.GapReason:
    """The other way round; unspecified for a word of another version."""
    known = camera_pb2.GapReason.DESCRIPTOR.values_by_name.get(_PREFIX + word.upper())
    return cast(camera_pb2.GapReason, 0 if known is None else known.number)
