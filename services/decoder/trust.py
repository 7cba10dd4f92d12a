"""Trust in decoded frames: from a clean key frame on, until something is lost."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import av

OPENED = "it was opened between two key frames"
DAMAGED_PACKET = "a packet was damaged, or the one before it was lost"
UNDECODABLE = "a packet could not be decoded"
DAMAGED_FRAME = "a frame was decoded with errors"
LOST_PACKETS = "packets were lost on the way"
LOST_FRAME = "a frame was lost"
NO_REFERENCE = "a frame was lost that others refer to"
MISSED_SEGMENT = "a segment of the playlist could not be fetched, or was gone before that"
NO_KEY_FRAME = "a key frame did not come when it was due"

SUSPECT_PACKETS = 3
"""The library may flag a packet before the damaged one: it takes the flag from what it reads
while it looks for the end of the packet that it hands out."""


class Trust:
    """Whether a stream's frames show what was filmed. Pure.

    Each frame is coded as a difference from earlier ones: after a loss all are wrong until a
    key frame, or until the stream has refreshed every part of the picture.
    """

    def __init__(self) -> None:
        self._doubt: str | None = OPENED
        self._awaits_key = True
        self._skipped = False
        self._suspects = 0
        self._gap: str | None = None

    @property
    def doubt(self) -> str | None:
        """Why no frame is taken now."""
        return self._doubt

    @property
    def awaits_key(self) -> bool:
        """Whether packets are worth nothing until one that decoding can begin with."""
        return self._awaits_key

    def lose(self, reason: str) -> None:
        """Something was lost. The first reason is kept: others follow from it."""
        self._doubt = self._doubt or reason
        self._awaits_key = True
        if reason in (DAMAGED_PACKET, LOST_PACKETS):
            self._suspects = SUSPECT_PACKETS

    def suspects_packet(self) -> bool:
        """Whether the next packet may be what was damaged. Call it once for each packet."""
        self._suspects = max(0, self._suspects - 1)
        return self._suspects > 0

    def skip(self) -> None:
        """A packet is left out."""
        self._skipped = True

    def begin(self) -> None:
        """Decoding begins with a key packet; the decoder holds frames back until they are whole."""
        self._awaits_key = False
        if self._doubt == OPENED and not self._skipped:
            self._doubt = None

    def regain(self) -> None:
        """A whole frame came."""
        if self._doubt is not None and not self._awaits_key:
            self._gap, self._doubt = self._doubt, None

    def take_gap(self) -> str | None:
        """Why frames are missing before the newest one; None if none are. Says it once."""
        gap, self._gap = self._gap, None
        return gap


_PHRASES = (
    ("rtp: missed", LOST_PACKETS),
    ("frame num gap", LOST_FRAME),
    ("could not find ref", LOST_FRAME),
    ("missing reference picture", NO_REFERENCE),
    ("error while decoding mb", DAMAGED_FRAME),
    ("error at mb", DAMAGED_FRAME),
    ("damaged at", DAMAGED_FRAME),
)


_NO_MEMORY = "get_buffer() failed"
_NO_SIZE = "parameters invalid"
"""Said before the same by a decoder that refuses the size of a picture."""


class Complaints:
    """Losses of which the decode library speaks in its log alone. A context manager of one thread.

    It costs a call for each line that is logged: about two for a packet.
    """

    def __init__(self) -> None:
        self._capture = av.logging.Capture()
        self._lines: list[tuple[int, str, str]] = []

    def take(self) -> str | None:
        """What was lost since the last call, if anything.

        Raises MemoryError if memory was lacking: some decoders call that invalid data.
        """
        lines, self._lines[:] = self._lines[:], []
        refused = False
        for _, _, text in lines:
            said = text.lower()
            refused = refused or _NO_SIZE in said
            if _NO_MEMORY in said and not refused:
                raise MemoryError("no memory for a picture")
            for phrase, reason in _PHRASES:
                if phrase in said:
                    return reason
        return None

    def __enter__(self) -> Self:
        av.logging.set_level(av.logging.DEBUG)  # a gap in frame numbers is no more than that
        self._lines = self._capture.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._capture.__exit__(None, None, None)
        av.logging.set_level(None)
