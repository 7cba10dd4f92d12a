"""Sources: opening a URL or a file with everything else shut, and reading frames from it."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
)
from services.common.cameras import check_url, is_file, resolve_file
from services.common.redaction import secrets_of
from services.decoder.faults import SourceFault, classify
from services.decoder.key_frames import KeyFrames
from services.decoder.settings import DecoderSettings

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,h264,hevc"
"""Formats that hold video and cannot name another file or host to open."""

STREAMED = f"{CONTAINERS},hls,mpjpeg,aac,webvtt"
"""The same over HTTP, with the playlist whose entries the protocol list still governs."""

INDEXED = frozenset({"mov", "matroska"})
"""Formats in which a position in time can be found exactly."""

MAX_PIXELS = 8192 * 8192
HTTP_PATIENCE = 3.0
"""Segments of an HTTP live stream come whole, seconds apart."""

MAX_BAD_READS = 200
ANALYZE_US = 500_000


class Source:
    """An open source. Not thread-safe; a context manager.

    Raises `SourceFault` from every method, and nothing else of the decode
    library. No message holds a credential.
    """

    def __init__(self, url: str, settings: DecoderSettings) -> None:
        """Open `url`. Takes up to the open time-out."""
        self._secrets = secrets_of(url)
        self._live = not is_file(url)
        self._descriptor: int | None = None
        self._container: InputContainer | None = None
        self._key_frames = KeyFrames()
        self._resting = False
        self._due_s = 0.0
        self._first_pts: int | None = None
        self.read_s = 0.0
        """Timestamp of the newest packet that was read, decoded or not."""
        try:
            check_url(url, settings.policy)
            location, options = self._locate(url, settings)
        except InvalidInput as error:
            raise SourceFault(SOURCE_ERROR_REFUSED, error.message, permanent=True) from None
        timeout = (settings.open_timeout_s, self.patience_s(url, settings))
        try:
            self._open(location, options, timeout)
            self._stream = self._pick_stream()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def patience_s(url: str, settings: DecoderSettings) -> float:
        """The longest silence of this kind of source, in seconds."""
        slow = url.lower().startswith("http")
        return settings.read_timeout_s * (HTTP_PATIENCE if slow else 1.0)

    def _locate(self, url: str, settings: DecoderSettings) -> tuple[str, dict[str, str]]:
        """What to hand to FFmpeg, and the options that shut everything else."""
        if is_file(url):
            # The file is opened here and handed over as a descriptor: FFmpeg
            # may open nothing by name, so neither a playlist nor a link that
            # changes behind the check leads anywhere.
            self._descriptor = _open_regular(resolve_file(url, settings.policy))
            return "fd:", {
                "fd": str(self._descriptor),
                "protocol_whitelist": "fd",
                "format_whitelist": CONTAINERS,
            }
        parts = urlsplit(url)
        scheme = parts.scheme.lower()  # FFmpeg takes RTSP:// for the name of a file
        location = urlunsplit(parts._replace(scheme=scheme))
        microseconds = str(int(self.patience_s(url, settings) * 1e6))
        options = {"timeout": microseconds} | _tls_options(settings)
        if scheme.startswith("rtsp"):
            return location, options | {
                "protocol_whitelist": "tcp,tls,rtp",
                "format_whitelist": "rtsp,sdp",
                "rtsp_transport": "tcp",
                "allowed_media_types": "video",
                "analyzeduration": str(ANALYZE_US),
            }
        # Within http the lower protocol decides, so the list names both layers.
        web = settings.policy.protocols & {"http", "https"}
        lower = {"tcp"} | ({"tls"} if "https" in web else set())
        options |= {
            "protocol_whitelist": ",".join(sorted(web | lower | {"crypto"})),
            "format_whitelist": STREAMED,
            "rw_timeout": microseconds,
        }
        if len(web) < 2:
            options["max_redirects"] = "0"  # a redirect from one to the other cannot be told apart
        return location, options

    def _open(self, location: str, options: dict[str, str], timeout: tuple[float, float]) -> None:
        # The library says why it failed only in its log. It is listened to
        # here alone: later on its callbacks could only cost time.
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        lines: list[tuple[int, str, str]] = []
        try:
            with av.logging.Capture() as lines:
                self._container = av.open(location, "r", options=options, timeout=timeout)
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

    def seek(self, position_s: float) -> None:
        """Go to the key frame before `position_s`, if this format can do so exactly."""
        assert self._container is not None
        names = set(self._container.format.name.split(","))
        if position_s <= 0 or not names & INDEXED or not self._stream.time_base:
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
        """Packets are read and not decoded, until a key frame comes."""
        return self._resting

    def rest(self, due_s: float, slack_s: float) -> None:
        """Nothing is wanted before `due_s`: leave out what can be.

        If key frames come regularly, and the next at most `slack_s` later than
        that, it is everything up to it; else the frames that no other frame
        is told as a change of.
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
                # A file with a damaged part goes on behind it.
                bad_reads += 1
                resumable = not self._live and isinstance(error, av.error.InvalidDataError)
                if not resumable or bad_reads > MAX_BAD_READS:
                    raise classify(error, (), self._secrets, live=self._live) from None
                on_error()
            except OSError as error:
                raise classify(error, (), self._secrets, live=self._live) from None

    def _wakes(self, packet: Packet[VideoStream]) -> bool:
        """Whether the packet is to be decoded."""
        at_s = self.position_s(packet)
        if at_s is not None:
            self.read_s = at_s
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
            self._resting = False  # what comes may be damaged until there is a key frame
        return not self._resting or packet.size == 0  # the last one ends the stream

    def _decoded(
        self, packet: Packet[VideoStream] | None, on_error: Callable[[], None]
    ) -> Iterator[VideoFrame]:
        """The frames that a packet completes; those that are still held back, if it is None."""
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
                yield frame  # others lead up to a key frame, from frames that were left out

    def _held_back(self, on_error: Callable[[], None]) -> Iterator[VideoFrame]:
        """What the decoder still held back for the order of frames. It begins anew after it."""
        yield from self._decoded(None, on_error)
        self._stream.codec_context.flush_buffers()

    def close(self) -> None:
        """Free what is open. May be called twice."""
        if self._container is not None:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            self._container = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open_regular(path: os.PathLike[str]) -> int:
    """A descriptor of a regular file. Never waits on a pipe, never follows a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise classify(error, (), (), live=False) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise SourceFault(SOURCE_ERROR_NOT_FOUND, "it is not a regular file")
    return descriptor


def _tls_options(settings: DecoderSettings) -> dict[str, str]:
    if not settings.tls_verify:
        return {"tls_verify": "0"}
    # The library is built with no idea where this system keeps its authorities.
    authorities = settings.tls_ca_file or ssl.get_default_verify_paths().cafile
    return {"tls_verify": "1"} | ({"ca_file": authorities} if authorities else {})
