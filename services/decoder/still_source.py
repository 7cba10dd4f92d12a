"""The source of a camera that sends single pictures: it looks like any other to the reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import TracebackType
from typing import Self

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC
from services.decoder.corrections import NO_CORRECTIONS, Corrections
from services.decoder.ending import Ending
from services.decoder.faults import SourceFault
from services.decoder.frame_wait import NO_FRAME_S
from services.decoder.location import Location
from services.decoder.still import StillDecoder, StillKind
from services.decoder.stills import Coded, FetchedStills, PartStills, Stills
from services.decoder.web_formats import WebFormat

MICROSECOND = Fraction(1, 1_000_000)
DAMAGED_STILL = "a picture was damaged"
MIN_DAMAGED = 3
"""So many pictures in a row must be damaged before the source is given up."""


class StillSource:
    """An open source of single pictures. Not thread-safe; a context manager.

    Has the methods of `Source`. Pictures that nobody wants are not even decoded.
    """

    duration_s: float | None = None
    is_playlist = False
    real_time = True
    resting = True
    """Whether silence is no fault: here each read has a time-out of its own."""
    doubt: str | None = None
    coded_size = (0, 0)
    """Width and height, as the source announces them: it does not."""
    frames_per_second = 0.0
    """Nominal frames a second: there are none."""

    def __init__(
        self,
        location: Location,
        format: WebFormat,
        per_second: float,
        corrections: Corrections = NO_CORRECTIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`location`: one of the web, opened. `per_second`: the pictures that are wanted."""
        assert location.web is not None
        self._location = location
        self._corrections = corrections
        self._clock = clock
        self._decoder = StillDecoder()
        file, _ = location.web.open()
        self._stills: Stills = (
            PartStills(location.web, file, clock)
            if format is WebFormat.PARTS
            else FetchedStills(location.web, file, per_second, clock)
        )
        self.frame_s = 1 / per_second
        """Seconds from one picture to the next, as they are wanted: then half of it is slack."""
        self.read_s = 0.0
        """When the newest picture is of, decoded or not."""
        self.began_s: float | None = None
        """When the first one is of."""
        self.codec = ""
        """Name of the codec of the newest picture."""
        self.key_frame_interval_s: float | None = None
        """The longest time between two pictures so far; None before the second."""
        self._due_s = 0.0
        self._gap: str | None = None

    def frames(
        self, on_packet: Callable[[], None], on_error: Callable[[], None]
    ) -> Iterator[VideoFrame]:
        """The pictures that are wanted, until the source ends.

        `on_packet` is called often, `on_error` for each picture that could not be decoded.
        """
        damaged, whole_s = 0, self._clock()
        for coded in self._stills.each(on_packet):
            self._came(coded)
            self.read_s = coded.at_s
            self.began_s = coded.at_s if self.began_s is None else self.began_s
            if coded.at_s < self._due_s:
                continue
            frame = self._decoder.decode(coded.data)
            if frame is None:
                on_error()
                self._gap = DAMAGED_STILL
                damaged += 1
                if damaged >= MIN_DAMAGED and self._clock() - whole_s > NO_FRAME_S:
                    raise SourceFault(SOURCE_ERROR_CODEC, "no picture of it could be decoded")
                continue
            damaged, whole_s = 0, self._clock()
            frame.pts, frame.time_base = round(coded.at_s / MICROSECOND), MICROSECOND
            yield frame

    def _came(self, coded: Coded) -> None:
        kind = StillKind.of(coded.data)
        self.codec = "" if kind is None else kind.value
        if self.began_s is not None:
            pause_s = coded.at_s - self.read_s
            self.key_frame_interval_s = max(pause_s, self.key_frame_interval_s or 0.0)

    def position_s(self, of: VideoFrame | Packet[VideoStream]) -> float | None:
        """When a picture is of, in seconds since the source was opened."""
        return None if of.pts is None else float(of.pts * MICROSECOND)

    def rest(self, due_s: float, slack_s: float) -> None:
        """No picture is wanted before `due_s`."""
        self._due_s = due_s

    def take_gap(self) -> str | None:
        """Why pictures are missing before the one that was yielded last. Says it once."""
        gap, self._gap = self._gap, None
        return gap

    def pixel_aspect(self, frame: VideoFrame) -> Fraction:
        """Width by height of the pixels of a picture: they are square."""
        if self._corrections.aspect is not None:
            return self._corrections.aspect * frame.height / frame.width
        return Fraction(1)

    def seek(self, position_s: float) -> None:
        """Nothing: these sources have no past."""

    def ending(self) -> Ending:
        """How far it was read, once it has ended."""
        return Ending(self.read_s)

    def close(self) -> None:
        """Free what is open. May be called twice."""
        self._location.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
