"""The process of one camera: a reader, a publisher, and a channel to the supervisor.

The main thread only sends reports and watches the other two, so that it can
end the process at any moment, even while they are stuck.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import av
import redis

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import (
    GAP_REASON_DECODER_STOPPED,
    PACING_LIVE,
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_REFUSED,
    Camera,
)
from services.common import keys, logs, tombstones
from services.common.backoff import Backoff
from services.common.camera_status import DURABLE_ID, ENDED, MEMORY_ID, ended_before
from services.common.cameras import check_sampling, is_file, is_rtsp, pacing_of
from services.common.connection import connect
from services.common.frame_log import BEGINNING, Fenced, FrameLog, LogId, RedisFrameLog
from services.common.leases import Fence
from services.common.parent import die_with_parent
from services.common.picture_check import check_picture
from services.common.redaction import places, redact, secrets_of
from services.decoder.chunker import CaptureClock, Chunker, Origin
from services.decoder.faults import MAX_MESSAGE, SourceFault, classify
from services.decoder.memory_limit import limit_memory
from services.decoder.outbox import Outbox
from services.decoder.publisher import Publisher, Reading
from services.decoder.reader import Position, Reader
from services.decoder.report import STOP, Channel
from services.decoder.retention import Retention
from services.decoder.settings import DecoderSettings
from services.decoder.suspensions import Suspensions
from services.decoder.telemetry import Telemetry

log = logs.get(__name__)

TALK_S = 0.25
DRAIN_S = 2.0
"""After a request to stop, pending chunks are published for at most this long."""


@dataclass(frozen=True)
class CameraJob:
    """Everything that a camera process needs. Passed over a pipe, never on a command line."""

    camera: bytes
    fence: Fence
    settings: DecoderSettings
    first_index: int = 0
    interrupted: bool = False

    def __repr__(self) -> str:
        return f"CameraJob(epoch={self.fence.epoch})"  # the camera holds credentials


def run(job: CameraJob, end: socket.socket) -> NoReturn:
    """The process, from its first line to its exit."""
    # The supervisor decides when to stop; a terminal sends Ctrl-C to the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent(signal.SIGKILL)  # the fork server, which dies with the supervisor
    av.logging.set_level(None)
    camera = Camera.FromString(job.camera)
    logs.configure("decoder", job.settings.log_level, camera=camera.id)
    if not limit_memory(job.settings.camera_memory):
        log.warning("camera_memory_not_limited")
    process = CameraProcess(job, camera, Channel(end))
    try:
        process.run()
    except BaseException as error:
        process.crashed(error)
    os._exit(1)


class CameraProcess:
    """The threads of one camera and what they share."""

    def __init__(self, job: CameraJob, camera: Camera, channel: Channel) -> None:
        self._job = job
        self._settings = job.settings
        self._camera = camera
        self._channel = channel
        self._credentials = job.settings.credentials
        self._telemetry = Telemetry(job.first_index)
        self._suspensions = Suspensions()
        self._stop = threading.Event()
        self._done = threading.Event()
        self._outbox: Outbox | None = None
        self._publisher: Publisher | None = None
        self._publishing: threading.Thread | None = None

    def run(self) -> NoReturn:
        """Send reports to the supervisor until the work is done or it asks to stop."""
        self._telemetry.beat(self._settings.watchdog_s)
        threading.Thread(target=self._guard(self._work), name="reader", daemon=True).start()
        while True:
            self._suspensions.tick()
            # No report while a read is stuck: the watchdog takes silence for a stuck process.
            if self._telemetry.alive:
                self._channel.send(self._telemetry.report().to_bytes())
            if self._done.is_set():
                self._exit()
            message = self._channel.receive(TALK_S)
            if message == "closed":
                os._exit(0)  # the supervisor is gone, and so is the right to write
            if message == STOP:
                self._drain()

    def _drain(self) -> NoReturn:
        self._stop.set()
        if self._outbox is not None:
            self._outbox.close()
        if self._publisher is not None and pacing_of(self._camera) != PACING_LIVE:
            self._publisher.stop()  # what is not published now is read again from the file
        deadline_s = time.monotonic() + DRAIN_S
        while self._publishing is not None and self._publishing.is_alive():
            if time.monotonic() > deadline_s:
                break
            self._publishing.join(0.05)
        self._exit()

    def _exit(self) -> NoReturn:
        self._channel.send(self._telemetry.report().to_bytes())
        # Threads are not joined: the reader may be inside a read that never returns.
        os._exit(0)

    def crashed(self, error: BaseException) -> None:
        """Report that this process cannot go on. The text may quote anything, so it is redacted."""
        secrets = (*self._credentials.secrets, *secrets_of(self._camera.url))
        if isinstance(error, MemoryError):
            self._telemetry.offline(classify(error, (), secrets, live=True))
            self._channel.send(self._telemetry.report().to_bytes())
            return
        text = redact(f"{type(error).__name__}: {error}", secrets)
        log.error("camera_process_failed", error=text, at=places(error))
        self._telemetry.offline(SourceFault(SOURCE_ERROR_CODEC, f"internal error ({text})"))
        self._channel.send(self._telemetry.report().to_bytes())

    def _guard(self, work: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            try:
                work()
            except Fenced:
                log.warning("fenced", epoch=self._job.fence.epoch)
                self._telemetry.fenced()
                self._exit()
            except BaseException as error:
                self.crashed(error)
                os._exit(1)

        return guarded

    def _work(self) -> None:
        """The reading thread: find the end of the log, then read the source."""
        job, settings, camera = self._job, self._settings, self._camera
        try:
            # What is in the registry may not have come by the gateway.
            check_sampling(camera)
            check_picture(camera.picture, rtsp=is_rtsp(camera.url))
        except InvalidInput as error:
            refusal = SourceFault(SOURCE_ERROR_REFUSED, error.message, permanent=True)
            self._telemetry.offline(refusal)
            self._done.set()
            return
        client = connect(settings.redis_url, access=settings.redis_access)
        frame_log = RedisFrameLog(client)
        whole = pacing_of(camera) != PACING_LIVE
        retention = Retention(settings.replay_window_s, settings.log_max_bytes, whole=whole)
        if (how := self._ended_before(client)) is not None:
            self._telemetry.ended(how[:MAX_MESSAGE])
            self._done.set()
            return
        last, position, first_index = self._take_over(frame_log, retention)
        sampling = camera.sampling
        duration = sampling.chunk_max_duration
        outbox = self._outbox = Outbox(
            Chunker(
                Origin(camera.id, job.fence.epoch, live=not whole),
                sampling.chunk_max_frames or settings.chunk_max_frames,
                (duration.seconds + duration.nanos / 1e9) or settings.chunk_max_duration_s,
                first_index=first_index,
                # A file is resumed where it was; frames of a live source were missed.
                interrupted=not whole and (job.interrupted or last > BEGINNING),
                gap_reason=GAP_REASON_DECODER_STOPPED,
            ),
            live=not whole,
            staleness_s=settings.staleness_s,
            on_dropped=self._telemetry.dropped,
        )
        publisher = self._publisher = Publisher(
            frame_log,
            job.fence,
            outbox,
            retention,
            self._telemetry,
            lambda: _reading(client, camera.id),
            Backoff(0.05, 1.0),
            unread_max_bytes=settings.unread_max_bytes if whole else None,
            last=last,
        )
        self._publishing = threading.Thread(
            target=self._guard(publisher.run), name="publisher", daemon=True
        )
        self._publishing.start()
        reader = Reader(
            camera,
            self._credentials,
            settings,
            outbox,
            CaptureClock(last.ms),
            self._telemetry,
            Backoff(settings.backoff_base_s, settings.backoff_cap_s),
            position,
            self._stop,
            self._suspensions,
        )
        final: SourceFault | None = None
        how = ""
        try:
            how = reader.run()
        except SourceFault as fault:
            final = fault
        self._telemetry.beat(float("inf"))
        outbox.close()
        self._publishing.join()
        if final is not None:
            self._telemetry.offline(final)
        elif not self._stop.is_set():
            # Reported last, so that by then the whole file is in the log.
            self._telemetry.ended(how)
        self._done.set()

    def _ended_before(self, client: redis.Redis) -> str | None:
        """How a recording ended that was read already; None if it is to be read.

        A file is always read on from the last frame in the log: it may have grown.
        """
        camera = self._camera
        if is_file(camera.url):
            return None
        try:
            raw: list[Any] = client.hmget(keys.status(camera.id), [ENDED])
        except redis.RedisError:
            return None
        return ended_before(raw[0], tombstones.created_ns(camera))

    def _take_over(self, frame_log: FrameLog, retention: Retention) -> tuple[LogId, Position, int]:
        """The log's last id, how far a file was read, and the frames of this epoch so far."""
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                last = frame_log.last_id(self._camera.id)
                retention.seed(last, frame_log.size(self._camera.id))
                return last, *self._resume(frame_log, last)
            except redis.RedisError as error:
                log.warning("log_not_reachable", error=str(error))
                delay_s = backoff.next()
                self._telemetry.beat(delay_s + 10.0)
                if self._stop.wait(delay_s):
                    self._exit()

    def _resume(self, frame_log: FrameLog, last: LogId) -> tuple[Position, int]:
        # A file is resumed after the last frame in the log, whatever was sampled.
        position, index = Position(), 0 if is_file(self._camera.url) else self._job.first_index
        if last == BEGINNING:
            return position, index
        camera = self._camera
        before = LogId(last.ms - 1, 2**63)
        for entry in frame_log.read({camera.id: before}, count=1, block_s=0.0):
            chunk = entry.chunk
            if chunk is None:
                continue
            if chunk.epoch == self._job.fence.epoch:
                index = max(index, chunk.first_frame_index + len(chunk.frames))
            newest = chunk.frames[-1]
            # Frames from before the camera was added again are of another file.
            same = newest.capture_time_ms >= camera.created.ToMilliseconds()
            if is_file(camera.url) and same and newest.HasField("media_time_ms"):
                position.ms = newest.media_time_ms
        return position, index


def _reading(client: redis.Redis, camera_id: str) -> Reading:
    raw = client.hmget(keys.status(camera_id), [MEMORY_ID, DURABLE_ID])
    taken_in, durable = (LogId.parse(id) if id else None for id in raw)
    return Reading(taken_in, durable)
