"""Whole frames: what is decoded from a stream's packets, without the frames that lack something."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from services.decoder.frame_interval import FrameInterval
from services.decoder.key_frames import KeyFrames
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

ESCAPED = frozenset({"h264", "hevc"})
"""Codecs whose data cannot hold a run of zeros, but for padding between units."""

ZEROS = re.compile(rb"\0{8}\0*[^\0\1]")
ZEROS_OF_FILES = re.compile(rb"\0{8}")
"""Where the length of each unit is written before it there is no padding."""

MIN_PATIENCE = 30
"""Packets."""

MAX_REORDERED = 16
"""Frames that may be shown before a key frame that was sent before them (H.264 and H.265)."""


class WholeFrames:
    """Decodes the packets of one video stream. Not thread-safe.

    After a loss it yields nothing until the picture is whole again, and while no frame is
    wanted it skips the packets that it can.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._interval = FrameInterval(stream.average_rate, stream.guessed_rate)
        self._key_frames = KeyFrames()
        self._trust = Trust()
        self._resting = False
        self._due_s = self._until_s = 0.0
        self._patience = 0
        self._first_pts: int | None = None
        self._leading = 0
        self._recent: deque[Packet[VideoStream]] = deque(maxlen=MAX_REORDERED)
        with_lengths = (stream.codec_context.extradata or b"").startswith(b"\1")  # avcC, hvcC
        self._zeros = ZEROS_OF_FILES if with_lengths else ZEROS

    @property
    def frame_s(self) -> float:
        """Nominal seconds from frame to frame."""
        return self._interval.seconds

    @property
    def key_frame_interval_s(self) -> float | None:
        """The longest time between two key frames so far; None before the second."""
        return self._key_frames.longest_s

    @property
    def resting(self) -> bool:
        """Whether packets are skipped until the next key frame."""
        return self._resting

    @property
    def doubt(self) -> str | None:
        """Why frames cannot be trusted now and none is yielded; None if they can."""
        return self._trust.doubt

    def take_gap(self) -> str | None:
        """Why frames are missing before the one that was yielded last. Says it once."""
        return self._trust.take_gap()

    def rest(self, due_s: float, slack_s: float, read_s: float) -> None:
        """No frame is wanted before `due_s`: skip what can be skipped.

        If a key frame is predicted for at most `slack_s` after that, all frames before the last
        such one are skipped; otherwise only non-reference frames are. `read_s`: the newest
        timestamp so far.
        """
        self._due_s, self._until_s = due_s, due_s + slack_s
        next_s = self._key_frames.next_s
        if next_s is not None and read_s < next_s <= self._until_s:
            self._resting = True
            self._be_patient(next_s - read_s)

    def lose(self, loss: str | None) -> None:
        """Something was lost, if anything: begin again with the next key frame."""
        if loss is not None:
            self._trust.lose(loss)
            self._recent.clear()

    def of(
        self,
        packet: Packet[VideoStream],
        at_s: float | None,
        complaints: Complaints,
        on_error: Callable[[], None],
        *,
        damaged: bool,
    ) -> Iterator[VideoFrame]:
        """The frames that the next packet completes. `at_s`: its timestamp.

        `damaged`: whether a part of it, or what came before it, is missing. `on_error` is
        called if it could not be decoded.
        """
        self.lose(complaints.take())
        self._interval.seen(at_s)
        if not self._wakes(packet, at_s, damaged):
            return
        yield from self._completed(packet, complaints, on_error)
        if self._resting:
            # The decoder held frames back to put them in order.
            yield from self._completed(None, complaints, on_error)
            self._stream.codec_context.flush_buffers()

    def held(self, complaints: Complaints, on_error: Callable[[], None]) -> Iterator[VideoFrame]:
        """The frames that the decoder holds back. The next packet begins anew."""
        yield from self._completed(None, complaints, on_error)
        self._stream.codec_context.flush_buffers()

    def _wakes(self, packet: Packet[VideoStream], at_s: float | None, damaged: bool) -> bool:
        """Whether the packet is to be decoded."""
        unwanted = at_s is not None and at_s < self._due_s - self.frame_s / 2
        self._stream.codec_context.skip_frame = "NONREF" if unwanted else "DEFAULT"
        if damaged or self._zeroed(packet):
            self.lose(DAMAGED_PACKET)
        if packet.is_keyframe:
            self._key_frames.seen(at_s)
        suspect = self._trust.suspects_packet()
        if packet.is_keyframe and not suspect and not self._sleeps_on(at_s):
            if self._trust.awaits_key:
                self._prime()
            if self._resting or self._trust.awaits_key:
                self._resting, self._first_pts = False, packet.pts
                self._leading = MAX_REORDERED if packet.pts is None else 0
                self._trust.begin()
            return True
        overdue_s = self._key_frames.overdue_s
        late = at_s is not None and overdue_s is not None and at_s >= overdue_s
        self._patience -= 1
        if self._resting and (late or self._patience < 0):
            self._key_frames.missed()
            self._resting = False
            self.lose(NO_KEY_FRAME)
        if packet.size == 0:
            return True  # it ends the stream
        if self._trust.awaits_key:
            self._trust.skip()
            self._recent.append(packet)
            return False
        return not self._resting

    def _sleeps_on(self, at_s: float | None) -> bool:
        """Whether the next key frame is early enough too, so that this one can be skipped."""
        next_s = self._key_frames.next_s
        if not self._resting or self._trust.awaits_key or at_s is None or next_s is None:
            return False
        if next_s > self._until_s:
            return False
        self._be_patient(next_s - at_s)
        return True

    def _be_patient(self, wait_s: float) -> None:
        """Skip packets until that key frame, but not for ever: the source may set its clock."""
        self._patience = MIN_PATIENCE + int(3 * wait_s / self.frame_s)

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
        return self._stream.codec_context.name in ESCAPED and bool(
            self._zeros.search(bytes(packet))
        )

    def _completed(
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
            self.lose(UNDECODABLE)
            return
        if loss is not None and not self._expected(loss, packet):
            self.lose(loss)
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
                self.lose(DAMAGED_FRAME)
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
        except MemoryError:
            raise  # one of the library's own errors, but no fault of the packet
        except (av.FFmpegError, OSError, ValueError):
            return None
