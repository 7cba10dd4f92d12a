"""Seams: where one segment of a playlist ends and the next one begins."""

from __future__ import annotations

from av.packet import Packet
from av.video.stream import VideoStream

WINDOW = 3
"""Packets: the library flags the last one or two before a seam."""


class Seams:
    """Tells the seams of a playlist from damage.

    A transport stream counts its packets. Each segment may count anew, and the library takes
    that for a loss. It is none if a key frame follows in time: segments begin with one.
    """

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._held: list[Packet[VideoStream]] = []

    def next(self, packet: Packet[VideoStream]) -> list[tuple[Packet[VideoStream], bool]]:
        """The packets that can be judged now that this one came, and whether each is damaged."""
        if not self._held:
            if not packet.is_corrupt:
                return [(packet, False)]
            self._held.append(packet)
            return []
        intact = packet.is_keyframe and self._follows(packet)
        self._held.append(packet)
        waits = not packet.is_keyframe and packet.size > 0 and len(self._held) < WINDOW
        if waits:
            return []
        held, self._held = self._held, []
        judged = [(earlier, earlier.is_corrupt and not intact) for earlier in held[:-1]]
        if packet.is_corrupt and packet.is_keyframe:
            self._held.append(packet)  # it may be the last one before the next seam
            return judged
        return [*judged, (packet, packet.is_corrupt)]

    def _follows(self, packet: Packet[VideoStream]) -> bool:
        """Whether no segment is missing before the packet."""
        last = self._held[-1]
        if packet.dts is None or last.dts is None or packet.time_base is None:
            return True
        return 0 < (packet.dts - last.dts) * packet.time_base <= 2 * self._frame_s
