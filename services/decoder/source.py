"""Sources: an opened URL or file, and the frames that are read from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
)
from services.common.cameras import is_file
from services.common.redaction import secrets_of
from services.decoder.corrections import NO_CORRECTIONS, Corrections
from services.decoder.ending import Ending
from services.decoder.faults import NO_DATAGRAMS, NO_RANGES, SourceFault, classify
from services.decoder.joins import Join
from services.decoder.location import Location, locate, patience_s
from services.decoder.nested_files import BEGAN_ANEW
from services.decoder.opening import Opening
from services.decoder.pixels import MAX_PIXELS, check_pixels
from services.decoder.seams import Seams
from services.decoder.settings import DecoderSettings
from services.decoder.splices import Splices
from services.decoder.trust import MISSED_SEGMENT, UNDECODABLE, Complaints
from services.decoder.whole_frames import WholeFrames

FILES = frozenset({"mov", "matroska"})
"""Formats that hold an index, and the shape of the pixels."""

INDEXED = FILES | {"hls"}
"""Formats in which a position in time can be found exactly."""

MAX_BAD_READS = 200
MAX_RATE = 300
"""Frames a second: a higher rate is a unit of time, and none that frames come at."""


class Source:
    """An open source. Not thread-safe; a context manager.

    Raises `SourceFault` from every method, and nothing else of the decode
    library. No message holds a credential.
    """

    def __init__(
        self,
        url: str,
        settings: DecoderSettings,
        corrections: Corrections = NO_CORRECTIONS,
        location: Location | None = None,
    ) -> None:
        """Open `url`. Takes up to `longest_open_s`. `corrections`: of its shape and transport.

        `location`: where it is, if that is known. It is closed with the source.
        """
        self._corrections = corrections
        self._secrets = secrets_of(url)
        self._live = not is_file(url)
        self._container: InputContainer | None = None
        self._reached_s: float | None = None
        self._first_aspect: Fraction | None = None
        self.read_s = 0.0
        """Timestamp of the newest packet that was read, decoded or not."""
        self.began_s: float | None = None
        """Timestamp of the first."""
        try:
            self._location = location or locate(url, settings, corrections.transport)
        except InvalidInput as error:
            raise SourceFault(SOURCE_ERROR_REFUSED, error.message, permanent=True) from None
        try:
            opening = Opening(
                self._location, settings, patience_s(url, settings), self._secrets, live=self._live
            )
            self._container = opening.container()
            self._by_udp = opening.by_udp
            self._stream = self._pick_stream()
        except BaseException:
            self.close()
            raise
        self._whole = WholeFrames(self._stream)
        self._seams = Seams(self.frame_s) if self.is_playlist else None
        self._splices = Splices()

    def _pick_stream(self) -> VideoStream:
        assert self._container is not None
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise SourceFault(
                SOURCE_ERROR_CODEC, "it holds no video stream", permanent=not self._live
            )
        check_pixels(stream.width, stream.height, permanent=not self._live)
        for other in self._container.streams:
            if other.index != stream.index:
                other.discard = Discard.all  # other variants of a playlist are not even fetched
        # Cameras share the cores: one thread for each, and no frames held back by threading.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        return stream

    @property
    def frame_s(self) -> float:
        """Nominal seconds from frame to frame."""
        return self._whole.frame_s

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return self._stream.codec_context.codec.canonical_name

    @property
    def frames_per_second(self) -> float:
        """Nominal frames a second; 0 if the source does not say it."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate and rate <= MAX_RATE else 0.0

    @property
    def duration_s(self) -> float | None:
        """How long the source says it is; None for one that goes on, or does not say."""
        assert self._container is not None
        stream, unit = self._stream, self._stream.time_base
        if stream.duration and unit and stream.duration > 0:
            return float(stream.duration * unit)
        if (tagged_s := _seconds(stream.metadata.get("DURATION", ""))) > 0:
            return tagged_s
        whole = self._container.duration
        return whole / av.time_base if whole and whole > 0 else None

    @property
    def real_time(self) -> bool:
        """Whether it comes as fast as it is filmed, rather than faster."""
        return self._location.web is None and self._live

    @property
    def is_playlist(self) -> bool:
        """Whether it is an HLS playlist, which is a recording or goes on."""
        return "hls" in self._names

    def ending(self) -> Ending:
        """How far it was read, once it has ended."""
        assert self._container is not None
        sound = any(stream.type == "audio" for stream in self._container.streams)
        of_video = bool(self._stream.duration or self._stream.metadata.get("DURATION"))
        ending = Ending(self._reached_s, self.duration_s, with_sound=sound and not of_video)
        if not ending.cut or self._live or "mov" not in self._names:
            return ending  # other formats have no index that holds every frame
        entries = getattr(self._stream, "index_entries", ())  # not in every version of PyAV
        needed = max((entry.pos + entry.size for entry in entries), default=None)
        return replace(ending, bytes_there=self._container.size, bytes_needed=needed)

    @property
    def _names(self) -> set[str]:
        assert self._container is not None
        return set(self._container.format.name.split(","))

    def pixel_aspect(self, frame: VideoFrame) -> Fraction:
        """Width by height of the pixels of a frame. Call it before the next one is decoded."""
        if self._corrections.aspect is not None:
            return self._corrections.aspect * frame.height / frame.width
        codec = self._stream.codec_context
        # Interlaced H.265 comes as single fields, each with half the lines.
        lines = Fraction(1, 2) if codec.name == "hevc" and frame.interlaced_frame else Fraction(1)
        if self._corrections.square_pixels:
            return lines
        coded = codec.sample_aspect_ratio or None
        self._first_aspect = self._first_aspect or coded
        # A file has the last word, unless the stream in it changed its mind since it began.
        if coded is not None and (coded != self._first_aspect or not self._names & FILES):
            aspect = coded
        else:
            aspect = self._stream.sample_aspect_ratio or Fraction(1)
        return aspect * lines

    def seek(self, position_s: float) -> None:
        """Go to the key frame before `position_s`, if this format can do so exactly."""
        assert self._container is not None
        if position_s <= 0 or not self._names & INDEXED or not self._stream.time_base:
            return
        offset = int(position_s / self._stream.time_base) + (self._stream.start_time or 0)
        with suppress(av.FFmpegError, OSError):  # reading from the start skips as well, slowly
            self._container.seek(offset, stream=self._stream, backward=True)
            if self._location.web is not None:
                self._location.web.nested.joins.sought()

    def position_s(self, of: VideoFrame | Packet[VideoStream]) -> float | None:
        """The timestamp of a frame, or of a packet, in seconds from the start of the source."""
        unit = self._stream.time_base  # frames that were held back come without it
        if of.pts is None or unit is None:
            return None
        stamp_s = float((of.pts - (self._stream.start_time or 0)) * unit)
        return self._splices.position_s(stamp_s)

    @property
    def key_frame_interval_s(self) -> float | None:
        """The longest time between two key frames so far; None before the second."""
        return self._whole.key_frame_interval_s

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height, as the source announces them."""
        return self._stream.width, self._stream.height

    @property
    def resting(self) -> bool:
        """Whether packets are skipped until the next key frame."""
        return self._whole.resting

    @property
    def doubt(self) -> str | None:
        """Why frames cannot be trusted now and none is yielded; None if they can."""
        return self._whole.doubt

    def take_gap(self) -> str | None:
        """Why frames are missing before the one that was yielded last. Says it once."""
        return self._whole.take_gap()

    def rest(self, due_s: float, slack_s: float) -> None:
        """No frame is wanted before `due_s`, or `slack_s` later: skip what can be skipped."""
        self._whole.rest(due_s, slack_s, self.read_s)

    def frames(
        self, on_packet: Callable[[], None], on_error: Callable[[], None]
    ) -> Iterator[VideoFrame]:
        """Decoded frames until the source ends, none of which lacks what it was made from.

        `on_packet` is called with each packet, `on_error` with each that could
        not be decoded.
        """
        assert self._container is not None
        bad_reads = 0
        with Complaints() as complaints:
            while True:
                try:
                    for packet in self._container.demux(self._stream):
                        on_packet()
                        if self._location.web is not None:
                            self._location.web.next_packet()
                        for judged, damaged, join in self._judged(packet):
                            if join is not None and not join.whole:
                                yield from self._whole.held(complaints, on_error)
                                self._whole.lose(MISSED_SEGMENT)
                            self._reach(judged, join)
                            at_s = self.position_s(judged)
                            for frame in self._whole.of(
                                judged, at_s, complaints, on_error, damaged=damaged
                            ):
                                bad_reads = 0
                                yield frame
                    self._check_end()
                    return
                except MemoryError as error:
                    raise self._fault(error) from None
                except av.FFmpegError as error:
                    # A damaged file may be readable after the damage.
                    bad_reads += 1
                    resumable = not self._live and isinstance(error, av.error.InvalidDataError)
                    if not resumable or bad_reads > MAX_BAD_READS:
                        raise self._fault(error) from None
                    on_error()
                    self._whole.lose(UNDECODABLE)
                except OSError as error:
                    raise self._fault(error) from None

    def _judged(
        self, packet: Packet[VideoStream]
    ) -> list[tuple[Packet[VideoStream], bool, Join | None]]:
        """The packets that are next, whether each is damaged, and the join before it."""
        if self._seams is None:
            return [(packet, packet.is_corrupt, None)]
        web = self._location.web
        join = None if web is None else web.nested.joins.before(packet.pos)
        return self._seams.next(packet, join)

    def _reach(self, packet: Packet[VideoStream], join: Join | None) -> None:
        """Note how far the source was read."""
        unit, start = self._stream.time_base, self._stream.start_time or 0
        if packet.pts is None or unit is None:
            return
        stamp_s = float((packet.pts - start) * unit)
        length_s = float(packet.duration * unit) if packet.duration else self.frame_s
        if join is not None:
            self._splices.join(stamp_s, join)
        self._splices.read(stamp_s, length_s)
        self.read_s = self._splices.position_s(stamp_s)
        if self.began_s is None:
            self.began_s = self.read_s
        self._reached_s = self._splices.end_s

    def _fault(self, error: av.FFmpegError | OSError | MemoryError) -> SourceFault:
        """Why reading an open source failed."""
        fault = classify(error, (), self._secrets, live=self._live)
        if self._by_udp and self._reached_s is None and fault.error == SOURCE_ERROR_TIMEOUT:
            return NO_DATAGRAMS
        web = self._location.web
        # An MP4 over HTTP whose index could be read, and then nothing of what comes before it.
        if web and "mov" in self._names and self._reached_s is None and not web.sends_parts:
            return NO_RANGES
        return self._location.fault or fault

    def _check_end(self) -> None:
        """Raise the fault for which a file that is fetched seems to end."""
        if self._location.web is not None and self._location.web.nested.began_anew:
            raise BEGAN_ANEW
        fault = self._location.fault
        # A playlist goes on after a segment that is not there.
        if fault is not None and (not self.is_playlist or fault.error == SOURCE_ERROR_REFUSED):
            raise fault

    def close(self) -> None:
        """Free what is open. May be called twice."""
        if self._container is not None:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            self._container = None
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


def _seconds(text: str) -> float:
    """Of `00:00:30.000000000`, as Matroska writes it; 0 for anything else."""
    try:
        hours, minutes, seconds = text.split(":")
        length_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0
    return length_s if math.isfinite(length_s) else 0.0
