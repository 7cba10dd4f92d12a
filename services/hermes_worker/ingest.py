"""From the frame log to the engine: one thread reads for all cameras of the worker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import redis
from torch import Tensor

from hermes.engine import Batch, Engine, FrameInput, SimilarityGate
from hermes.errors import CameraNotOwned, Unavailable
from hermes.memory import FrameStamp
from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.common import logs
from services.common.frame_log import Entry, FrameLog, LogId
from services.common.heartbeats import Heartbeats
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.hermes_worker.chunk_check import fault_of
from services.hermes_worker.memories import Memories, Tracked
from services.hermes_worker.pictures import BadPicture, decode_jpeg

log = logs.get(__name__)

BLOCK_S = 0.2
CHUNKS_PER_READ = 4
FAULT_PAUSE_S = 5.0
"""A camera whose log cannot be read is left alone for this long."""
LIVE_AHEAD = 4
"""A live camera's frames wait in the log, where they can still be dropped for their age: it is
read on once no more than these wait for the device."""


class Ingest:
    """Reads each camera's log from where its memory is, as far as the engine has room.

    Back-pressure is not reading: what the engine has no room for stays in the
    log, and is not decoded in vain. Frames of live cameras that are older than
    the log's newest by more than `staleness_s` are dropped here, counted and
    told as a gap, unless they are read again after a takeover. Both times are
    the decoder's, so that no clock has to agree with another. `new_gate`: for
    each camera, if frames that show nothing new are to be left out, too.
    """

    def __init__(
        self,
        frame_log: FrameLog,
        engine: Engine,
        memories: Memories,
        metrics: Metrics,
        staleness_s: float,
        new_gate: Callable[[], SimilarityGate] | None = None,
        *,
        heartbeats: Heartbeats | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = frame_log
        self._engine = engine
        self._memories = memories
        self._metrics = metrics
        self._staleness_ms = int(staleness_s * 1000)
        self._new_gate = new_gate
        self._capacity = engine.config.max_pending_frames
        self._clock = clock
        self._periodic = Periodic("ingest", self.step, 0.0, heartbeats or Heartbeats())

    def start(self) -> None:
        """Begin to read."""
        self._periodic.start()

    def stop(self) -> None:
        """Stop reading; what was offered to the engine stays there."""
        self._periodic.stop()

    def step(self, block_s: float = BLOCK_S) -> None:
        """One read, and everything that it brought.

        A fault of one camera's log, entry or memory is logged and leaves the others alone.
        Raises `redis.RedisError` if Redis is out of reach.
        """
        by_id: dict[str, Tracked] = {}
        now = self._clock()
        cameras = [
            tracked
            for tracked in self._memories.all()
            if not tracked.restoring and now >= tracked.faulty_until
        ]
        for tracked in cameras:
            with self._fault_stays_with(tracked):
                if tracked.target is None:
                    tracked.target = self._log.last_id(tracked.camera.id)
                self._memories.progress(tracked)
                if self._may_take(tracked, tracked.next_frames):
                    by_id[tracked.camera.id] = tracked
        if not by_id:
            self._periodic.wait(block_s / 10)
            return
        if len(by_id) < len(cameras):
            block_s /= 10  # the others may have room again at any moment
        full: set[str] = set()
        entries = self._read(by_id, block_s)
        self._see_newest(by_id, entries)
        for entry in entries:
            tracked = by_id[entry.camera_id]
            if entry.camera_id not in full and not self._take_or_skip(tracked, entry):
                full.add(entry.camera_id)  # it stays in the log, and is read again

    @contextmanager
    def _fault_stays_with(self, tracked: Tracked) -> Iterator[None]:
        """Whatever goes wrong within concerns this camera: it is logged, and the camera rests."""
        try:
            yield
        except Exception as error:
            if isinstance(error, redis.RedisError) and not isinstance(error, redis.ResponseError):
                raise  # Redis is out of reach: no camera's fault
            log.error("frame_log_unusable", camera=tracked.camera.id, exc_info=error)
            tracked.faulty_until = self._clock() + FAULT_PAUSE_S

    def _read(self, by_id: Mapping[str, Tracked], block_s: float) -> list[Entry]:
        offsets = {camera_id: tracked.offset for camera_id, tracked in by_id.items()}
        try:
            return self._log.read(offsets, count=CHUNKS_PER_READ, block_s=block_s)
        except redis.ResponseError:
            # Redis refuses all for one key that is no stream: find out which.
            found: list[Entry] = []
            for camera_id, offset in offsets.items():
                with self._fault_stays_with(by_id[camera_id]):
                    one = {camera_id: offset}
                    found += self._log.read(one, count=CHUNKS_PER_READ, block_s=0.0)
            return found

    def _take_or_skip(self, tracked: Tracked, entry: Entry) -> bool:
        """Hand an entry to the device. False if it has to wait; one that fails is skipped."""
        try:
            return self._take(tracked, entry)
        except Exception:
            log.exception("entry_skipped", camera=tracked.camera.id, id=str(entry.id))
        self._metrics.frames.labels(tracked.camera.id, "decode_error").inc()
        tracked.hole, tracked.next_frames = True, 1
        return self._offer(tracked, entry.id, [])

    def _see_newest(self, by_id: Mapping[str, Tracked], entries: Sequence[Entry]) -> None:
        """How far the log of each camera reaches, as far as it matters."""
        counts = Counter(entry.camera_id for entry in entries)
        for entry in entries:
            by_id[entry.camera_id].newest = entry.id
        for camera_id, count in counts.items():
            if count == CHUNKS_PER_READ:  # there may be more
                with self._fault_stays_with(by_id[camera_id]):
                    by_id[camera_id].newest = self._log.last_id(camera_id)

    def _may_take(self, tracked: Tracked, frames: int) -> bool:
        """Whether the device has come far enough to be given `frames` more of this camera."""
        room = tracked.handle.room()
        ahead = LIVE_AHEAD if tracked.live else self._capacity // 2
        return room >= min(frames, self._capacity) and self._capacity - room <= ahead

    def _take(self, tracked: Tracked, entry: Entry) -> bool:
        """Hand an entry to the device. False if it has to wait."""
        camera_id, chunk = tracked.camera.id, entry.chunk
        if tracked.handle.closed:
            return False  # given up while we read
        frames: list[FrameInput] = []
        fault = "it cannot be parsed" if chunk is None else fault_of(chunk)
        if chunk is None or fault:
            log.warning("chunk_unreadable", camera=camera_id, id=str(entry.id), why=fault)
            self._metrics.frames.labels(camera_id, "decode_error").inc()
            tracked.hole = True
        else:
            fresh = self._fresh(tracked, entry.id, chunk)
            if not self._may_take(tracked, len(fresh)):
                tracked.next_frames = len(fresh)
                return False
            frames = self._frames(tracked, entry.id, chunk, fresh)
            if frames and not tracked.next_index:
                self._mark_lost(tracked, chunk, frames[0].stamp.capture_ms)
            self._expect_after(tracked, chunk)
        tracked.next_frames = 1
        return self._offer(tracked, entry.id, frames)

    def _offer(self, tracked: Tracked, id: LogId, frames: Sequence[FrameInput]) -> bool:
        """Hand over what an entry gave, possibly nothing: memory must know that it was read."""
        tracked.offset = id
        try:
            tracked.handle.offer(Batch(frames, str(tracked.place(id))))
        except (CameraNotOwned, Unavailable):
            return False  # given up meanwhile, or the engine stops
        return True

    def _fresh(self, tracked: Tracked, id: LogId, chunk: FrameChunk) -> Sequence[Frame]:
        """Those of its frames that are not too old, the youngest."""
        tracked.live = chunk.live and not tracked.replays(id)
        if not tracked.live:
            return chunk.frames
        stale_before = max(tracked.newest, id).ms - self._staleness_ms
        return [frame for frame in chunk.frames if frame.capture_time_ms >= stale_before]

    def _frames(
        self, tracked: Tracked, id: LogId, chunk: FrameChunk, fresh: Sequence[Frame]
    ) -> list[FrameInput]:
        camera_id = tracked.camera.id
        replayed = tracked.replays(id)
        if stale := len(chunk.frames) - len(fresh):
            self._metrics.frames.labels(camera_id, "dropped_stale").inc(stale)
        if stale or chunk.discontinuity or self._missing(tracked, chunk):
            tracked.hole = True
        frames: list[FrameInput] = []
        for frame in fresh:
            try:
                picture = decode_jpeg(frame.jpeg)
            except BadPicture as error:
                log.warning("picture_unreadable", camera=camera_id, error=str(error))
                self._metrics.frames.labels(camera_id, "decode_error").inc()
                tracked.hole = True
                continue
            if self._shows_nothing_new(tracked, picture, frame.capture_time_ms):
                self._metrics.frames.labels(camera_id, "unchanged").inc()
                continue
            media_ms = frame.media_time_ms if frame.HasField("media_time_ms") else None
            stamp = FrameStamp(frame.capture_time_ms, media_ms)
            ready = self._engine.prepare(picture)
            frames.append(FrameInput(ready, stamp, after_gap=tracked.hole, replayed=replayed))
            tracked.hole = False
        if replayed:
            self._metrics.replayed_frames.inc(len(frames))
        return frames

    def _mark_lost(self, tracked: Tracked, chunk: FrameChunk, first_ms: int) -> None:
        """Before the first frame of a memory that begins anew: did another know more?"""
        since_ms = None if tracked.earlier is None else tracked.earlier.lost_since(first_ms)
        if since_ms is None and chunk.first_frame_index:
            since_ms = first_ms  # the log begins in the middle, and nothing says who read the rest
        if since_ms is not None:
            log.warning("earlier_memory_lost", camera=tracked.camera.id, since_ms=since_ms)
            tracked.handle.mark_lost(since_ms)

    def _shows_nothing_new(self, tracked: Tracked, picture: Tensor, capture_ms: int) -> bool:
        if self._new_gate is None:
            return False
        if tracked.gate is None or tracked.hole:  # what comes behind a hole says where it ends
            tracked.gate = self._new_gate()
        return not tracked.gate.passes(picture, capture_ms)

    def _missing(self, tracked: Tracked, chunk: FrameChunk) -> int:
        """Frames of this epoch that were sampled and never came to us."""
        # Of an epoch that follows one that we know, all should have come.
        expected = tracked.next_index.get(chunk.epoch, 0 if tracked.next_index else None)
        return 0 if expected is None else max(0, chunk.first_frame_index - expected)

    def _expect_after(self, tracked: Tracked, chunk: FrameChunk) -> None:
        # Behind a discontinuity nobody knows how many there were.
        missing = 0 if chunk.discontinuity else self._missing(tracked, chunk)
        if not tracked.next_index and chunk.first_frame_index:
            tracked.poor = True  # the log begins in the middle
        trimmed = max(0, missing - chunk.dropped_before)
        if trimmed:
            tracked.poor = True
            self._metrics.frames.labels(tracked.camera.id, "trimmed").inc(trimmed)
            log.warning("frames_trimmed_unread", camera=tracked.camera.id, frames=trimmed)
        tracked.next_index = {chunk.epoch: chunk.first_frame_index + len(chunk.frames)}
