"""Seams: where one segment of a playlist ends and the next one begins."""

from __future__ import annotations

from av.packet import Packet
from av.video.stream import VideoStream

from services.decoder.joins import Join

WINDOW = 3
"""Packets: the library flags the last one or two before a seam."""


class Seams:
    """Tells the seams of a playlist from damage.

    A transport stream counts its packets. Each segment may count anew, and the library takes
    that for a loss. It is none if a key frame follows: segments begin with one.
    """

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._held: list[tuple[Packet[VideoStream], Join | None]] = []

    def next(
        self, packet: Packet[VideoStream], join: Join | None = None
    ) -> list[tuple[Packet[VideoStream], bool, Join | None]]:
        """The packets that can be judged now that this one came.

        For each, whether it is damaged, and the join that comes before it, if one does.
        """
        if not self._held and not packet.is_corrupt:
            return [(packet, False, join)]
        if not self._held:
            self._held.append((packet, join))
            return []
        intact = packet.is_keyframe and self._follows(packet, join)
        held = self._held
        waits = not packet.is_keyframe and packet.size > 0 and len(held) + 1 < WINDOW
        if waits:
            held.append((packet, join))
            return []
        self._held = []
        judged = [
            (earlier, earlier.is_corrupt and not intact, its_join) for earlier, its_join in held
        ]
        if packet.is_corrupt and packet.is_keyframe:
            self._held.append((packet, join))  # it may be the last one before the next seam
            return judged
        return [*judged, (packet, packet.is_corrupt, join)]

    def _follows(self, packet: Packet[VideoStream], join: Join | None) -> bool:
        """Whether what comes before the packet is all there, as far as it was to be read."""
        if join is not None:
            return not join.cut
        last, _ = self._held[-1]
        if packet.dts is None or last.dts is None or packet.time_base is None:
            return True
        return 0 < (packet.dts - last.dts) * packet.time_base <= 2 * self._frame_s
