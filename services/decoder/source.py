"""Sources: an opened URL or file, and the frames that are read from it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
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
)
from services.common.cameras import is_file
from services.common.redaction import secrets_of
from services.decoder.faults import SourceFault, classify
from services.decoder.key_frames import KeyFrames
from services.decoder.location import locate, patience_s
from services.decoder.settings import DecoderSettings
from services.decoder.trust import (
    DAMAGED_FRAME,
    DAMAGED_PACKET,
    LOST_FRAME,
    NO_KEY_FRAME,
    NO_REFERENCE,
    UNDECODABLE,
    Complaints,
    Trust,
)

INDEXED = frozenset({"mov", "matroska"})
"""Formats in which a position in time can be found exactly."""

MAX_PIXELS = 8192 * 8192
MAX_BAD_READS = 200

ESCAPED = frozenset({"h264", "hevc"})
"""Codecs whose data cannot hold a run of zeros, but for padding before the next unit."""

ZEROS = re.compile(rb"\0{8}\0*[^\0\1]")

MAX_REORDERED = 16
"""Frames that may be shown before a key frame that was sent before them (H.264 and H.265)."""


class Source:
    """An open source. Not thread-safe; a context manager.

    Raises `SourceFault` from every method, and nothing else of the decode
    library. No message holds a credential.
    """

    def __init__(self, url: str, settings: DecoderSettings) -> None:
        """Open `url`. Takes up to the open time-out."""
        self._secrets = secrets_of(url)
        self._live = not is_file(url)
        self._container: InputContainer | None = None
        self._key_frames = KeyFrames()
        self._trust = Trust()
        self._resting = False
        self._due_s = 0.0
        self._first_pts: int | None = None
        self._leading = 0
        self._recent: deque[Packet[VideoStream]] = deque(maxlen=MAX_REORDERED)
        self._first_aspect: Fraction | None = None
        self.read_s = 0.0
        """Timestamp of the newest packet that was read, decoded or not."""
        self.began_s: float | None = None
        """Timestamp of the first."""
        try:
            self._location = locate(url, settings)
        except InvalidInput as error:
            raise SourceFault(SOURCE_ERROR_REFUSED, error.message, permanent=True) from None
        try:
            self._open((settings.open_timeout_s, patience_s(url, settings)))
            self._stream = self._pick_stream()
        except BaseException:
            self.close()
            raise

    def _open(self, timeout: tuple[float, float]) -> None:
        # The library says why it failed only in its log. It is listened to
        # here alone: later on its callbacks could only cost time.
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        lines: list[tuple[int, str, str]] = []
        try:
            with av.logging.Capture() as lines:
                self._container = av.open(
                    self._location.address, "r", options=self._location.options, timeout=timeout
                )
        except (av.FFmpegError, OSError, ValueError) as error:
            said = [line[2] for line in lines]
            if (last := getattr(error, "log", None)) and last[1]:
                said.append(last[1][2])
            raise classify(error, said, self._secrets, live=self._live) from None
        finally:
            av.logging.set_level(None)

    def _pick_stream(self) -> VideoStream:
        assert self._container is not None
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise SourceFault(
                SOURCE_ERROR_CODEC, "it holds no video stream", permanent=not self._live
            )
        if stream.width * stream.height > MAX_PIXELS:
            raise SourceFault(
                SOURCE_ERROR_CODEC,
                f"its pictures are {stream.width}x{stream.height}; at most {MAX_PIXELS} pixels",
                permanent=not self._live,
            )
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
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate else 0.04

    @property
    def _indexed(self) -> bool:
        assert self._container is not None
        return not INDEXED.isdisjoint(self._container.format.name.split(","))

    def pixel_aspect(self, frame: VideoFrame) -> Fraction:
        """Width by height of the pixels of a frame. Call it before the next one is decoded."""
        codec = self._stream.codec_context
        coded = codec.sample_aspect_ratio or None
        self._first_aspect = self._first_aspect or coded
        # A file has the last word, unless the stream in it changed its mind since it began.
        if coded is not None and (coded != self._first_aspect or not self._indexed):
            aspect = coded
        else:
            aspect = self._stream.sample_aspect_ratio or Fraction(1)
        # Interlaced H.265 comes as single fields, each with half the lines.
        return aspect / 2 if codec.name == "hevc" and frame.interlaced_frame else aspect

    def seek(self, position_s: float) -> None:
        """Go to the key frame before `position_s`, if this format can do so exactly."""
        assert self._container is not None
        if position_s <= 0 or not self._indexed or not self._stream.time_base:
            return
        offset = int(position_s / self._stream.time_base) + (self._stream.start_time or 0)
        with suppress(av.FFmpegError, OSError):  # reading from the start skips as well, slowly
            self._container.seek(offset, stream=self._stream, backward=True)

    def position_s(self, of: VideoFrame | Packet[VideoStream]) -> float | None:
        """The timestamp of a frame, or of a packet, in seconds from the start of the source."""
        unit = self._stream.time_base  # frames that were held back come without it
        if of.pts is None or unit is None:
            return None
        return float((of.pts - (self._stream.start_time or 0)) * unit)

    @property
    def resting(self) -> bool:
        """Whether packets are skipped until the next key frame."""
        return self._resting

    @property
    def doubt(self) -> str | None:
        """Why frames cannot be trusted now and none is yielded; None if they can."""
        return self._trust.doubt

    def take_hole(self) -> str | None:
        """Why frames are missing before the one that was yielded last. Says it once."""
        return self._trust.take_hole()

    def rest(self, due_s: float, slack_s: float) -> None:
        """No frame is wanted before `due_s`: skip what can be skipped.

        If the next key frame is predicted for at most `slack_s` after that, all frames
        before it are skipped; otherwise only non-reference frames are.
        """
        self._due_s = due_s
        next_s = self._key_frames.next_s
        if next_s is not None and self.read_s < next_s <= due_s + slack_s:
            self._resting = True

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
                        self._notice(complaints.take())
                        if not self._wakes(packet):
                            continue
                        for frame in self._whole(packet, complaints, on_error):
                            bad_reads = 0
                            yield frame
                        if self._resting:
                            yield from self._held_back(complaints, on_error)
                    return
                except av.FFmpegError as error:
                    # A damaged file may be readable after the damage.
                    bad_reads += 1
                    resumable = not self._live and isinstance(error, av.error.InvalidDataError)
                    if not resumable or bad_reads > MAX_BAD_READS:
                        raise classify(error, (), self._secrets, live=self._live) from None
                    on_error()
                    self._notice(UNDECODABLE)
                except OSError as error:
                    raise classify(error, (), self._secrets, live=self._live) from None

    def _notice(self, loss: str | None) -> None:
        """Something was lost, if anything: begin again with the next key frame."""
        if loss is not None:
            self._trust.lose(loss)
            self._recent.clear()

    def _wakes(self, packet: Packet[VideoStream]) -> bool:
        """Whether the packet is to be decoded."""
        at_s = self.position_s(packet)
        if at_s is not None:
            self.read_s = at_s
            if self.began_s is None:
                self.began_s = at_s
        unwanted = at_s is not None and at_s < self._due_s - self.frame_s / 2
        self._stream.codec_context.skip_frame = "NONREF" if unwanted else "DEFAULT"
        if packet.is_corrupt or self._zeroed(packet):
            self._notice(DAMAGED_PACKET)
        if packet.is_keyframe:
            self._key_frames.seen(at_s)
        suspect = self._trust.suspects_packet()
        if packet.is_keyframe and not suspect:
            if self._trust.awaits_key:
                self._prime()
            if self._resting or self._trust.awaits_key:
                self._resting, self._first_pts = False, packet.pts
                self._leading = MAX_REORDERED if packet.pts is None else 0
                self._trust.begin()
            return True
        overdue_s = self._key_frames.overdue_s
        if self._resting and overdue_s is not None and self.read_s >= overdue_s:
            self._key_frames.missed()
            self._resting = False
            self._notice(NO_KEY_FRAME)
        if packet.size == 0:
            return True  # it ends the stream
        if self._trust.awaits_key:
            self._trust.skip()
            self._recent.append(packet)
            return False
        return not self._resting

    def _prime(self) -> None:
        """Make the decoder begin with the next packet, and hold frames back until they are whole.

        H.264 that refreshes parts of the picture in turn has frames that refer to earlier ones
        even so. These need not be right, but they must be there.
        """
        self._stream.codec_context.flush_buffers()
        for packet in self._recent:
            self._decoded(packet)
        self._recent.clear()

    def _zeroed(self, packet: Packet[VideoStream]) -> bool:
        """Whether a part was never written or never came: the decoder may not notice."""
        return self._stream.codec_context.name in ESCAPED and bool(ZEROS.search(bytes(packet)))

    def _whole(
        self,
        packet: Packet[VideoStream] | None,
        complaints: Complaints,
        on_error: Callable[[], None],
    ) -> Iterator[VideoFrame]:
        """The frames that a packet completes and that lack nothing. With None, those held back."""
        complaints.take()
        decoded = self._decoded(packet)
        loss = complaints.take()
        if self._trust.awaits_key:
            return
        if decoded is None:
            on_error()
            self._notice(UNDECODABLE)
            return
        if loss is not None and not self._expected(loss, packet):
            self._notice(loss)
        for frame in decoded:
            if self._first_pts is not None and frame.pts is not None:
                if frame.pts < self._first_pts:
                    continue
                self._first_pts = None
            if self._leading > 0:
                self._leading = 0 if frame.key_frame else self._leading - 1
                if not frame.key_frame:
                    continue
            if frame.is_corrupt:
                on_error()
                self._notice(DAMAGED_FRAME)
            if self._trust.awaits_key:
                return
            self._trust.regain()
            yield frame

    def _expected(self, loss: str, packet: Packet[VideoStream] | None) -> bool:
        """Whether a frame at the beginning lacks what came before it, and need not have it."""
        if loss == NO_REFERENCE and packet is not None and packet.is_keyframe:
            return False
        return loss in (LOST_FRAME, NO_REFERENCE) and self._leads(packet)

    def _leads(self, packet: Packet[VideoStream] | None) -> bool:
        """Whether it is the first one, or refers to frames before that: what it lacks is known."""
        if self._first_pts is None:
            return self._leading > 0
        return packet is None or packet.pts is None or packet.pts <= self._first_pts

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[VideoFrame] | None:
        """The frames that a packet completes. None if it cannot be decoded."""
        codec = self._stream.codec_context
        try:
            return codec.decode(packet if packet is not None and packet.size else None)
        except av.error.EOFError:
            return []  # the stream ended meanwhile, and nothing is held back
        except (av.FFmpegError, OSError, ValueError):
            return None

    def _held_back(
        self, complaints: Complaints, on_error: Callable[[], None]
    ) -> Iterator[VideoFrame]:
        """The frames that the decoder held back to put them in order. It is reset afterwards."""
        yield from self._whole(None, complaints, on_error)
        self._stream.codec_context.flush_buffers()

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
