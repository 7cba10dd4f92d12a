"""From the frame log to the engine: one thread reads for all cameras of the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import redis

from hermes.engine import Batch, Engine, FrameInput
from hermes.errors import Overloaded
from hermes.memory import FrameStamp
from hermes.v1.frames_pb2 import FrameChunk
from services.common import logs
from services.common.frame_log import Entry, FrameLog, LogId
from services.common.metrics import Metrics
from services.hermes_worker.memories import Memories, Tracked
from services.hermes_worker.pictures import BadPicture, decode_jpeg

log = logs.get(__name__)

BLOCK_S = 0.2
CHUNKS_PER_READ = 4
RETRY_S = 0.5


class Ingest:
    """Reads each camera's log from where its memory is, as far as the engine has room.

    Back-pressure is not reading: what the engine has no room for stays in the
    log. Frames of live cameras that are older than `staleness_s` are dropped
    here, counted, unless they are read again after a takeover.
    """

    def __init__(
        self,
        frame_log: FrameLog,
        engine: Engine,
        memories: Memories,
        metrics: Metrics,
        staleness_s: float,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._log = frame_log
        self._engine = engine
        self._memories = memories
        self._metrics = metrics
        self._staleness_ms = int(staleness_s * 1000)
        self._wall_clock = wall_clock
        self._room = engine.config.max_pending_frames // 2
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; what was offered to the engine stays there."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        reachable = True
        while not self._stop.is_set():
            try:
                self.step(BLOCK_S)
                if not reachable:
                    log.info("frame_log_reachable_again")
                reachable = True
            except redis.RedisError as error:
                if reachable:
                    log.warning("frame_log_unreachable", error=str(error))
                reachable = False
                self._stop.wait(RETRY_S)
            except Exception:
                log.exception("ingest_failed")
                self._stop.wait(RETRY_S)

    def step(self, block_s: float) -> None:
        """One read, and everything that it brought."""
        by_id: dict[str, Tracked] = {}
        for tracked in self._memories.all():
            if tracked.target is None:
                tracked.target = self._log.last_id(tracked.camera.id)
            self._memories.progress(tracked)
            if self._engine.room(tracked.camera.id) >= self._room:
                by_id[tracked.camera.id] = tracked
        if not by_id:
            self._stop.wait(block_s / 10)
            return
        offsets = {camera_id: tracked.offset for camera_id, tracked in by_id.items()}
        full: set[str] = set()
        for entry in self._log.read(offsets, count=CHUNKS_PER_READ, block_s=block_s):
            if entry.camera_id in full:
                continue
            try:
                self._take(by_id[entry.camera_id], entry)
            except Overloaded:
                full.add(entry.camera_id)  # it stays in the log, and is read again

    def _take(self, tracked: Tracked, entry: Entry) -> None:
        camera_id = entry.camera_id
        if self._memories.get(camera_id) is not tracked:
            return  # given up, or added anew, while we read
        frames: list[FrameInput] = []
        if entry.chunk is None:
            log.warning("chunk_unreadable", camera=camera_id, id=str(entry.id))
            self._metrics.frames.labels(camera_id, "decode_error").inc()
        else:
            frames = self._frames(tracked, entry.id, entry.chunk)
        self._engine.offer(camera_id, Batch(frames, cursor=str(entry.id)))
        tracked.offset = entry.id
        if entry.chunk is not None:
            self._expect_after(tracked, entry.chunk)

    def _frames(self, tracked: Tracked, id: LogId, chunk: FrameChunk) -> list[FrameInput]:
        camera_id = tracked.camera.id
        replayed = tracked.target is not None and id <= tracked.target
        stale_before = int(self._wall_clock() * 1000) - self._staleness_ms
        gap = chunk.discontinuity or self._missing(tracked, chunk) > 0
        frames: list[FrameInput] = []
        for frame in chunk.frames:
            if chunk.live and not replayed and frame.capture_time_ms < stale_before:
                self._metrics.frames.labels(camera_id, "dropped_stale").inc()
                gap = True
                continue
            try:
                picture = decode_jpeg(frame.jpeg)
            except BadPicture as error:
                log.warning("picture_unreadable", camera=camera_id, error=str(error))
                self._metrics.frames.labels(camera_id, "decode_error").inc()
                gap = True
                continue
            media_ms = frame.media_time_ms if frame.HasField("media_time_ms") else None
            stamp = FrameStamp(frame.capture_time_ms, media_ms)
            frames.append(FrameInput(picture, stamp, after_gap=gap, replayed=replayed))
            gap = False
        if replayed:
            self._metrics.replayed_frames.inc(len(frames))
        return frames

    def _missing(self, tracked: Tracked, chunk: FrameChunk) -> int:
        """Frames of this epoch that were sampled and never came to us."""
        expected = tracked.next_index.get(chunk.epoch)
        return 0 if expected is None else max(0, chunk.first_frame_index - expected)

    def _expect_after(self, tracked: Tracked, chunk: FrameChunk) -> None:
        # Behind a discontinuity nobody knows how many there were.
        missing = 0 if chunk.discontinuity else self._missing(tracked, chunk)
        trimmed = max(0, missing - chunk.dropped_before)
        if trimmed:
            self._metrics.frames.labels(tracked.camera.id, "trimmed").inc(trimmed)
            log.warning("frames_trimmed_unread", camera=tracked.camera.id, frames=trimmed)
        tracked.next_index = {chunk.epoch: chunk.first_frame_index + len(chunk.frames)}
