"""Why frames are missing, as the frame log says it."""

from __future__ import annotations

from hermes.v1.camera_pb2 import (
    GAP_REASON_DAMAGED,
    GAP_REASON_LOST_PACKETS,
    GAP_REASON_NO_KEY_FRAME,
    GapReason,
)
from services.decoder import trust

_REASONS: dict[str, GapReason] = {
    trust.OPENED: GAP_REASON_NO_KEY_FRAME,
    trust.NO_KEY_FRAME: GAP_REASON_NO_KEY_FRAME,
    trust.LOST_PACKETS: GAP_REASON_LOST_PACKETS,
    trust.LOST_FRAME: GAP_REASON_LOST_PACKETS,
    trust.NO_REFERENCE: GAP_REASON_LOST_PACKETS,
}


def reason_of(loss: str) -> GapReason:
    """`loss`: what was lost, in the words of `Trust` or of another judge of frames."""
    return _REASONS.get(loss, GAP_REASON_DAMAGED)
