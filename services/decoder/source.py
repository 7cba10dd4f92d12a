"""Sources: an opened URL or file, and the frames that are read from it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
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
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_PROTOCOL,
    SOURCE_ERROR_REFUSED,
    SOURCE_ERROR_TIMEOUT,
)
from services.common.cameras import is_file
from services.common.redaction import secrets_of
from services.common.url_hints import ENCODE, password_ends_host
from services.decoder.ending import Ending
from services.decoder.faults import NO_RANGES, SourceFault, classify
from services.decoder.first_answer import LONGEST_S, why_no_video
from services.decoder.key_frames import KeyFrames
from services.decoder.location import locate, patience_s
from services.decoder.settings import DecoderSettings

INDEXED = frozenset({"mov", "matroska", "hls"})
"""Formats in which a position in time can be found exactly."""


def longest_open_s(settings: DecoderSettings) -> float:
    """How long opening a source may take, with finding out why it failed."""
    return settings.open_timeout_s + LONGEST_S


MAX_PIXELS = 8192 * 8192
MAX_BAD_READS = 200


class Source:
    """An open source. Not thread-safe; a context manager.

    Raises `SourceFault` from every method, and nothing else of the decode
    library. No message holds a credential.
    """

    def __init__(self, url: str, settings: DecoderSettings) -> None:
        """Open `url`. Takes up to `longest_open_s`."""
        self._settings = settings
        self._patience_s = patience_s(url, settings)
        self._secrets = secrets_of(url)
        self._live = not is_file(url)
        self._container: InputContainer | None = None
        self._key_frames = KeyFrames()
        self._resting = False
        self._due_s = 0.0
        self._reached_s: float | None = None
        self._first_pts: int | None = None
        self.read_s = 0.0
        """Timestamp of the newest packet that was read, decoded or not."""
        try:
            self._location = locate(url, settings)
        except InvalidInput as error:
            raise SourceFault(SOURCE_ERROR_REFUSED, error.message, permanent=True) from None
        try:
            self._open((settings.open_timeout_s, self._patience_s))
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
        began_s = time.monotonic()
        try:
            with av.logging.Capture() as lines:
                self._container = av.open(
                    self._location.address, "r", options=self._location.options, timeout=timeout
                )
        except (av.FFmpegError, OSError, ValueError) as error:
            if (last := getattr(error, "log", None)) is not None:
                lines.append(last)
            said = [f"[{part}] {text}" for _, part, text in lines]
            fault = classify(error, said, self._secrets, live=self._live)
            if fault.vague:
                fault = self._explained(fault, time.monotonic() - began_s)
            if fault.error == SOURCE_ERROR_NOT_FOUND and password_ends_host(self._location.address):
                fault = SourceFault(fault.error, f"{fault.message}; {ENCODE}")
            raise fault from None
        finally:
            av.logging.set_level(None)

    def _explained(self, fault: SourceFault, took_s: float) -> SourceFault:
        """What is wrong, for a fault of which the library did not say it."""
        why = why_no_video(self._location.address, self._settings)
        if why is not None:
            return why
        if took_s >= 0.9 * min(self._settings.open_timeout_s, self._patience_s):
            return SourceFault(SOURCE_ERROR_TIMEOUT, "the server stopped answering")
        if self._location.address.startswith("rtsp") and fault.error == SOURCE_ERROR_CODEC:
            return SourceFault(
                SOURCE_ERROR_PROTOCOL, "its RTSP answers break off or cannot be understood"
            )
        return fault

    def _pick_stream(self) -> VideoStream:
        assert self._container is not None
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise SourceFault(
                SOURCE_ERROR_CODEC, "it holds no video stream", permanent=not self._live
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

    def seek(self, position_s: float) -> None:
        """Go to the key frame before `position_s`, if this format can do so exactly."""
        assert self._container is not None
        if position_s <= 0 or not self._names & INDEXED or not self._stream.time_base:
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
        """Decoded frames until the source ends.

        `on_packet` is called with each packet, `on_error` with each that could
        not be decoded.
        """
        assert self._container is not None
        bad_reads = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    on_packet()
                    if not self._wakes(packet):
                        continue
                    for frame in self._decoded(packet, on_error):
                        bad_reads = 0
                        yield frame
                    if self._resting:
                        yield from self._held_back(on_error)
                return
            except av.FFmpegError as error:
                # A damaged file may be readable after the damage.
                bad_reads += 1
                resumable = not self._live and isinstance(error, av.error.InvalidDataError)
                if not resumable or bad_reads > MAX_BAD_READS:
                    raise self._fault(error) from None
                on_error()
            except OSError as error:
                raise self._fault(error) from None

    def _fault(self, error: av.FFmpegError | OSError) -> SourceFault:
        """Why reading an open source failed."""
        fault = classify(error, (), self._secrets, live=self._live)
        # An MP4 over HTTP whose index could be read, and then nothing of what comes before it.
        seeks = self._live and "mov" in self._names and self._reached_s is None
        return NO_RANGES if seeks and fault.error == SOURCE_ERROR_ENDED else fault

    def _wakes(self, packet: Packet[VideoStream]) -> bool:
        """Whether the packet is to be decoded."""
        at_s = self.position_s(packet)
        if at_s is not None:
            self.read_s = at_s
            length_s = (
                float(packet.duration * packet.time_base) if packet.duration else self.frame_s
            )
            self._reached_s = max(at_s + length_s, self._reached_s or 0.0)
        unwanted = at_s is not None and at_s < self._due_s - self.frame_s / 2
        self._stream.codec_context.skip_frame = "NONREF" if unwanted else "DEFAULT"
        if packet.is_keyframe:
            self._key_frames.seen(at_s)
            if self._resting:
                self._resting, self._first_pts = False, packet.pts
            return True
        overdue_s = self._key_frames.overdue_s
        if self._resting and overdue_s is not None and self.read_s >= overdue_s:
            self._key_frames.missed()
            self._resting = False  # frames may be damaged until the next key frame
        return not self._resting or packet.size == 0  # the last one ends the stream

    def _decoded(
        self, packet: Packet[VideoStream] | None, on_error: Callable[[], None]
    ) -> Iterator[VideoFrame]:
        """The frames that a packet completes. With None, the frames still held back."""
        try:
            decoded = self._stream.codec_context.decode(None) if packet is None else packet.decode()
        except av.error.EOFError:
            return  # the stream ended meanwhile, and nothing is held back
        except (av.FFmpegError, OSError, ValueError):
            on_error()
            return
        for frame in decoded:
            assert isinstance(frame, VideoFrame)
            if frame.is_corrupt:
                on_error()
            elif self._first_pts is None or frame.pts is None or frame.pts >= self._first_pts:
                yield frame  # earlier frames depend on frames that were skipped

    def _held_back(self, on_error: Callable[[], None]) -> Iterator[VideoFrame]:
        """The frames that the decoder held back to put them in order. It is reset afterwards."""
        yield from self._decoded(None, on_error)
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


def _seconds(text: str) -> float:
    """Of `00:00:30.000000000`, as Matroska writes it; 0 for anything else."""
    try:
        hours, minutes, seconds = text.split(":")
        length_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0
    return length_s if math.isfinite(length_s) else 0.0
