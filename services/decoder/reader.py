"""The reader: keeps a camera's source open, and turns it into sampled pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import av
from av.video.frame import VideoFrame

from hermes.errors import Unsupported
from hermes.v1.camera_pb2 import (
    GAP_REASON_DECODER_STOPPED,
    GAP_REASON_RECONNECTED,
    PACING_LIVE,
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_ENDED,
    SOURCE_ERROR_REFUSED,
    Camera,
)
from hermes.v1.frames_pb2 import Frame
from services.common import logs
from services.common.backoff import Backoff
from services.common.camera_credentials import CameraCredentials, CannotOpen
from services.common.cameras import is_file, pacing_of
from services.decoder import hardware
from services.decoder.chunker import CaptureClock, wall_ms
from services.decoder.corrections import Corrections
from services.decoder.ending import Ending
from services.decoder.faults import SourceFault, classify
from services.decoder.frame_wait import FrameWait
from services.decoder.gap_reasons import reason_of
from services.decoder.location import patience_s
from services.decoder.opening import longest_open_s
from services.decoder.outbox import Outbox
from services.decoder.pacing import Pacer
from services.decoder.picture import FrameSize, JpegEncoder
from services.decoder.sampler import RateCap, Sampler
from services.decoder.settings import DecoderSettings
from services.decoder.source import Source
from services.decoder.sources import open_source
from services.decoder.still_source import StillSource
from services.decoder.stream_picture import status_of
from services.decoder.suspensions import Suspensions
from services.decoder.telemetry import Telemetry
from services.decoder.timeline import FILE_JUMP_S, LIVE_JUMP_S, Speed, Timeline

log = logs.get(__name__)

BREAKS = 3
"""A recording that breaks off so often at the same place is as long as that."""

MAX_UNSEEN = 100_000
"""Most frames that are counted as unseen at once."""

WAIT_S = 0.2
CONVERT_S = 2.0
"""Longest time for converting one frame, for the watchdog."""


@dataclass(slots=True)
class Position:
    """How far a file or a recording was read, in ms from its start. None: not at all."""

    ms: int | None = None

    @property
    def seconds(self) -> float | None:
        """The same in seconds."""
        return None if self.ms is None else self.ms / 1000


class Reader:
    """Reads one camera until asked to stop, or until a file or a recording ends.

    Used by one thread.
    """

    def __init__(
        self,
        camera: Camera,
        credentials: CameraCredentials,
        settings: DecoderSettings,
        outbox: Outbox,
        capture_clock: CaptureClock,
        telemetry: Telemetry,
        backoff: Backoff,
        position: Position,
        stop: threading.Event,
        suspensions: Suspensions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = camera
        self._credentials = credentials
        self._settings = settings
        self._outbox = outbox
        self._capture_clock = capture_clock
        self._telemetry = telemetry
        self._backoff = backoff
        self._position = position
        self._stop = stop
        self._suspensions = suspensions
        self._clock = clock
        self._is_file = is_file(camera.url)
        self._live = pacing_of(camera) == PACING_LIVE
        self._fps = camera.sampling.frames_per_second or settings.frames_per_second
        self._corrections = Corrections.of(camera.picture)
        self._jpeg = JpegEncoder(
            FrameSize.parse(settings.frame_size), settings.jpeg_quality, self._corrections
        )
        self._fell_back = ""
        self._online_since: float | None = None
        self._rtsp = camera.url.lower().startswith("rtsp")
        self._passes = not self._is_file
        """Whether what is not read now can never be read."""
        self._went_on = False
        """Whether it is a live playlist, of which a finished one repeats the end."""
        self._broke_at_s: float | None = None
        self._breaks = 0
        self._alike, self._last_said = 0, ""

    def run(self) -> str:
        """Read. Returns when stopped, when the source ended for good, or when retrying is vain.

        What is returned tells people how it ended. Raises `SourceFault` in the last case.
        """
        while not self._stop.is_set():
            self._online_since = None
            try:
                ending = self._play()
                if self._stop.is_set():
                    break
                if not self._is_file:
                    if how := self._how_it_ended(ending):
                        self._outbox.flush()
                        return how
                    raise _broken_off(ending)
                if self._online_since is None and self._position.ms is None:
                    raise _without_frames(ending)
                self._outbox.flush()
                if not self._camera.loop:
                    return ending.words("the file")
                # Media time is the position in the file: it starts again with each round.
                self._position.ms = None
            except _Suspended:
                continue
            except SourceFault as fault:
                # Nothing came in time because of that, or of the hardware.
                if self._slept() or self._falls_back(fault):
                    continue
                self._outbox.interrupt(GAP_REASON_RECONNECTED)
                self._alike = self._alike + 1 if fault.message == self._last_said else 1
                self._last_said = fault.message
                if fault.final_after is not None and self._alike >= fault.final_after:
                    raise SourceFault(fault.error, fault.message, permanent=True) from None
                if fault.permanent:
                    raise
                self._pause(fault)
        return ""

    def _how_it_ended(self, ending: Ending) -> str:
        """For a network source that closed: how it ended; "" for one that is tried again."""
        if self._rtsp or ending.duration_s is None:
            return ""  # it goes on, or is a camera that announces a length of its own
        if self._went_on:
            return "the live stream has ended: its playlist is finished"
        if ending.cut:
            self._breaks = self._breaks + 1 if ending.reached_s == self._broke_at_s else 1
            self._broke_at_s = ending.reached_s
        return ending.words("the recording") if ending.whole or self._breaks >= BREAKS else ""

    def _pause(self, fault: SourceFault) -> None:
        now_s = self._clock()
        if self._online_since is not None and now_s - self._online_since >= self._settings.stable_s:
            self._backoff.reset()
        self._telemetry.offline(fault)
        delay_s = self._backoff.next()
        self._telemetry.beat(delay_s)
        self._stop.wait(delay_s)

    def _play(self) -> Ending:
        """Read from opening to the end of the source. Raises `SourceFault`."""
        settings, url = self._settings, self._open_url()
        self._passes = not self._is_file
        longest_s = patience_s(url, settings)
        # A read that exceeds its own time-out is stuck, not slow: the watchdog takes over.
        slack_s = max(0.0, longest_s - settings.read_timeout_s)
        self._telemetry.beat(longest_open_s(settings) + slack_s)
        with open_source(url, settings, self._fps, self._corrections) as source:
            recorded = not self._is_file and not self._rtsp and source.duration_s is not None
            self._passes = not self._is_file and not recorded
            if recorded and self._went_on:
                return source.ending()
            if self._position.seconds is not None:
                source.seek(self._position.seconds)
            # A playlist's timestamps are put in order where its segments are joined.
            jumps = self._passes and not source.is_playlist
            timeline = Timeline(LIVE_JUMP_S if jumps else FILE_JUMP_S)
            sampler = Sampler(self._fps, source.frame_s, self._position.seconds)
            # A network file or an HTTP playlist comes faster than it was filmed.
            pacer = Pacer() if self._live and not source.real_time else None
            cap = RateCap(self._fps) if pacer is None and self._live else None
            speed = Speed()
            arrived_s = last_frame_s = self._clock()
            end_s: float | None = None
            ahead_s = 0.0  # of the source's own timestamps
            wait, note = FrameWait(self._telemetry), ""

            def on_packet() -> None:
                self._telemetry.beat(slack_s)
                if self._stop.is_set():
                    raise _Stopped
                if self._slept():
                    raise _Suspended
                silent_s = 0.0 if source.resting else self._clock() - last_frame_s
                if not self._is_file:
                    wait.packet(silent_s, source.doubt)

            try:
                for frame in source.frames(on_packet, self._telemetry.decode_error):
                    now_s = self._clock()
                    step_s = now_s - arrived_s if cap is not None else source.frame_s
                    arrived_s = last_frame_s = now_s
                    position_s = source.position_s(frame)
                    if cap is not None and not speed.honest(position_s, step_s):
                        position_s = None
                    stream_s = timeline.advance(position_s, step_s)
                    end_s = stream_s + source.frame_s
                    missing = sampler.skipped(stream_s)
                    if self._online_since is None:
                        self._online_since = now_s
                        note = self._hardware_note(frame)
                        missing = self._periods(source, stream_s)
                        self._went_on = source.is_playlist and not recorded
                    wait.frame(note)
                    if recorded:
                        self._position.ms = round(stream_s * 1000)
                    self._report_gap(source.take_gap(), missing)
                    if not sampler.wants(stream_s) or (cap is not None and not cap.allows(now_s)):
                        continue
                    if pacer is not None:
                        self._hold(pacer.delay(stream_s, now_s))
                        last_frame_s = self._clock()
                    self._keep(frame, source, stream_s)
                    if position_s is not None:
                        ahead_s = stream_s - position_s
                        source.rest(sampler.next_s - ahead_s, slack_s=self._slack_s(source.frame_s))
                        last_frame_s = self._clock()
                if pacer is not None and end_s is not None:
                    # Frames that were not sampled, or not even decoded, take their time as well.
                    end_s = max(end_s, source.read_s + ahead_s + source.frame_s)
                    self._hold(pacer.delay(end_s, self._clock()))
            except _Stopped:
                pass
            return source.ending()

    def _periods(self, source: Source | StillSource, stream_s: float) -> int:
        """Frames that are wanted from the first packet of the source to its first whole frame."""
        began_s = stream_s if source.began_s is None else source.began_s
        if self._position.seconds is not None:  # frames up to there were counted the first time
            began_s = max(began_s, self._position.seconds + 1 / self._fps)
        return max(0, int((stream_s - began_s) * self._fps + 0.5))

    def _report_gap(self, reason: str | None, frames: int) -> None:
        """Report wanted frames that were not whole, before the one that came now."""
        if reason is not None and frames > 0:
            frames = min(frames, MAX_UNSEEN)  # timestamps may claim anything
            log.warning("frames_damaged", frames=frames, reason=reason)
            self._telemetry.damaged(frames)
            self._outbox.interrupt(reason_of(reason))

    def _open_url(self) -> str:
        try:
            return self._credentials.open(self._camera.url)
        except CannotOpen as error:  # not for good: a file may come, or change
            raise SourceFault(SOURCE_ERROR_AUTH, str(error)) from None
        except ValueError:  # its text may quote the URL
            raise SourceFault(
                SOURCE_ERROR_REFUSED, "its URL cannot be read", permanent=True
            ) from None

    def _slack_s(self, frame_s: float) -> float:
        """How much later than wanted a frame may be, to skip decoding the frames before it.

        For a file it is less than a frame, so that the last frame is not missed.
        """
        return 0.75 * frame_s if self._is_file else 0.25 / self._fps

    def _hardware_note(self, frame: VideoFrame) -> str:
        """That the first frame was decoded in software although hardware was wanted, if so."""
        note = self._fell_back or hardware.note(self._settings.hwaccel, frame)
        if note:
            log.warning("hardware_not_used", reason=note)
        return note

    def _falls_back(self, fault: SourceFault) -> bool:
        """Whether to try once more in software, as no frame came of the hardware."""
        kind = hardware.device(self._settings.hwaccel).kind
        if not kind or self._online_since is not None:
            return False
        if fault.error != SOURCE_ERROR_CODEC and not hardware.why_not(kind):
            return False  # the device is still there: it is the source that is not
        self._fell_back = f"decoded in software: the {kind} device failed with this stream"
        self._settings = self._settings.model_copy(update={"hwaccel": hardware.NONE})
        return True

    def _slept(self) -> bool:
        """Whether this process did not run for a while: what comes now of a live source is old.

        The source is opened again then. That takes a second, and nothing old is left anywhere.
        """
        asleep_s = self._suspensions.take()
        if not asleep_s or not self._passes:
            return False
        if self._online_since is not None:
            frames = min(round(asleep_s * self._fps), MAX_UNSEEN)
            log.warning("frames_missed", frames=frames, stopped_s=round(asleep_s, 1))
            self._telemetry.missed(frames)
        self._outbox.interrupt(GAP_REASON_DECODER_STOPPED)
        return True

    def _keep(self, frame: VideoFrame, source: Source | StillSource, stream_s: float) -> None:
        if self._slept():
            raise _Suspended
        self._telemetry.beat(CONVERT_S)
        arrived_ms = wall_ms()
        try:
            jpeg = self._jpeg.encode(frame, source.pixel_aspect(frame))
        except Unsupported as error:
            raise SourceFault(SOURCE_ERROR_CODEC, str(error), permanent=self._is_file) from None
        except MemoryError as error:
            raise classify(error, (), (), live=not self._is_file) from None
        except (av.FFmpegError, ValueError):
            self._telemetry.decode_error()
            return
        self._show(source)
        picture = Frame(jpeg=jpeg, capture_time_ms=self._capture_clock.stamp(arrived_ms))
        if self._is_file:
            picture.media_time_ms = round(stream_s * 1000)
            self._position.ms = picture.media_time_ms
        while not self._outbox.wait_for_room(WAIT_S):
            self._telemetry.beat()
            if self._stop.is_set():
                raise _Stopped
        sampled = self._outbox.add(picture)
        self._telemetry.frame(picture.capture_time_ms, sampled)

    def _show(self, source: Source | StillSource) -> None:
        """Tell what picture frames are made of."""
        form = self._jpeg.form
        if form is not None:
            size = self._jpeg.size_of(form)
            self._telemetry.picture(status_of(form, size, source.codec, source.frames_per_second))

    def _hold(self, delay_s: float) -> None:
        self._telemetry.beat(delay_s)
        if self._stop.wait(delay_s):
            raise _Stopped


def _without_frames(ending: Ending) -> SourceFault:
    shown = f": {ending.words('the file')}" if ending.cut else ""
    return SourceFault(
        SOURCE_ERROR_CODEC, f"no frame of it could be decoded{shown}", permanent=True
    )


def _broken_off(ending: Ending) -> SourceFault:
    shown = f" at {ending.share()}" if ending.cut else ""
    return SourceFault(SOURCE_ERROR_ENDED, f"the source closed the connection{shown}")


class _Stopped(Exception):
    """Unwinds the decode library's loops when the process is asked to stop."""


class _Suspended(Exception):
    """Unwinds them when this process did not run for a while."""
