"""From the frame log to the engine: one thread reads for all cameras of the worker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import redis
from torch import Tensor

from hermes.engine import Batch, Engine, FrameInput, SimilarityGate
from hermes.errors import CameraNotOwned, Unavailable
from hermes.memory import FrameStamp
from hermes.v1.camera_pb2 import (
    GAP_REASON_DROPPED,
    GAP_REASON_TRIMMED,
    GAP_REASON_UNREADABLE,
)
from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.common import logs
from services.common.frame_log import Entry, FrameLog, LogId
from services.common.heartbeats import Heartbeats
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.hermes_worker.chunk_check import fault_of
from services.hermes_worker.pictures import BadPicture, decode_jpeg
from services.hermes_worker.position import Position
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures

log = logs.get(__name__)

BLOCK_S = 0.2
CHUNKS_PER_READ = 4
FAULT_PAUSE_S = 5.0
"""A camera whose log cannot be read is left alone for this long."""
LIVE_AHEAD = 4
"""A live camera is read on once no more than these frames wait for the device: in the log, frames
can still be dropped for their age."""


class Ingest:
    """Reads each camera's log from where its memory is, while the engine has room.

    Back-pressure is not reading: what the engine has no room for stays in the
    log, and is not decoded in vain. Frames of live cameras that are older than
    the log's newest by more than `staleness_s` are dropped here, counted and
    reported as a gap, unless they are replayed after a takeover. Both times are
    the decoder's, so that no two clocks have to agree. `new_gate` makes a gate
    for each camera, if frames that show nothing new are to be left out, too.
    """

    def __init__(
        self,
        frame_log: FrameLog,
        engine: Engine,
        tenures: Tenures,
        metrics: Metrics,
        staleness_s: float,
        new_gate: Callable[[], SimilarityGate] | None = None,
        *,
        heartbeats: Heartbeats | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = frame_log
        self._engine = engine
        self._tenures = tenures
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
        now = self._clock()
        readers = [_Reader(t, t.position) for t in self._tenures.all() if t.position is not None]
        readers = [reader for reader in readers if now >= reader.position.rests_until]
        by_id: dict[str, _Reader] = {}
        for reader in readers:
            with self._fault_stays_with(reader):
                self._see_progress(reader.tenure)
                if self._may_take(reader, reader.position.next_frames):
                    by_id[reader.camera_id] = reader
        if not by_id:
            self._periodic.wait(block_s / 10)
            return
        if len(by_id) < len(readers):
            block_s /= 10  # the others may have room again at any moment
        full: set[str] = set()
        entries = self._read(by_id, block_s)
        self._see_newest(by_id, entries)
        for entry in entries:
            if entry.camera_id not in full and not self._take_or_skip(
                by_id[entry.camera_id], entry
            ):
                full.add(entry.camera_id)  # it stays in the log, and is read again

    def _see_progress(self, tenure: Tenure) -> None:
        if not tenure.aimed:
            lease = tenure.lease
            tenure.aim(self._log.last_id(tenure.camera.id), lease)
        took_s = tenure.progress()
        if took_s is not None:
            self._metrics.takeover.observe(took_s)
            log.info("camera_serving", camera=tenure.camera.id, seconds=round(took_s, 3))

    @contextmanager
    def _fault_stays_with(self, reader: _Reader) -> Iterator[None]:
        """Whatever goes wrong within concerns this camera: it is logged, and the camera rests."""
        try:
            yield
        except Exception as error:
            if isinstance(error, redis.RedisError) and not isinstance(error, redis.ResponseError):
                raise  # Redis is out of reach: no camera's fault
            log.error("frame_log_unusable", camera=reader.camera_id, exc_info=error)
            reader.position.rests_until = self._clock() + FAULT_PAUSE_S

    def _read(self, by_id: Mapping[str, _Reader], block_s: float) -> list[Entry]:
        offsets = {camera_id: reader.position.offset for camera_id, reader in by_id.items()}
        try:
            return self._log.read(offsets, count=CHUNKS_PER_READ, block_s=block_s)
        except redis.ResponseError:
            # Redis refuses the whole read for one key that is no stream: find out which.
            found: list[Entry] = []
            for camera_id, offset in offsets.items():
                with self._fault_stays_with(by_id[camera_id]):
                    one = {camera_id: offset}
                    found += self._log.read(one, count=CHUNKS_PER_READ, block_s=0.0)
            return found

    def _see_newest(self, by_id: Mapping[str, _Reader], entries: Sequence[Entry]) -> None:
        """How far the log of each camera reaches, where that matters."""
        counts = Counter(entry.camera_id for entry in entries)
        for entry in entries:
            by_id[entry.camera_id].position.newest = entry.id
        for camera_id, count in counts.items():
            if count == CHUNKS_PER_READ:  # there may be more
                with self._fault_stays_with(by_id[camera_id]):
                    by_id[camera_id].position.newest = self._log.last_id(camera_id)

    def _may_take(self, reader: _Reader, frames: int) -> bool:
        """Whether the device has come far enough to be given `frames` more of this camera."""
        room = reader.tenure.handle.room()
        ahead = LIVE_AHEAD if reader.position.live else self._capacity // 2
        return room >= min(frames, self._capacity) and self._capacity - room <= ahead

    def _take_or_skip(self, reader: _Reader, entry: Entry) -> bool:
        """Hand an entry to the device. False if it has to wait; one that fails is skipped."""
        try:
            return self._take(reader, entry)
        except Exception:
            log.exception("entry_skipped", camera=reader.camera_id, id=str(entry.id))
        self._metrics.frames.labels(reader.camera_id, "decode_error").inc()
        reader.position.lack(GAP_REASON_UNREADABLE)
        reader.position.next_frames = 1
        return self._offer(reader, entry.id, [])

    def _take(self, reader: _Reader, entry: Entry) -> bool:
        """Hand an entry to the device. False if it has to wait."""
        tenure, position, chunk = reader.tenure, reader.position, entry.chunk
        if tenure.handle.closed:
            return False  # given up while we read
        frames: list[FrameInput] = []
        fault = "it cannot be parsed" if chunk is None else fault_of(chunk)
        if chunk is None or fault:
            log.warning("chunk_unreadable", camera=reader.camera_id, id=str(entry.id), why=fault)
            self._metrics.frames.labels(reader.camera_id, "decode_error").inc()
            position.lack(GAP_REASON_UNREADABLE)
        else:
            fresh = self._fresh(reader, entry.id, chunk)
            if not self._may_take(reader, len(fresh)):
                position.next_frames = len(fresh)
                return False
            frames = self._frames(reader, entry.id, chunk, fresh)
            self._see_losses(reader, chunk, frames)
        position.next_frames = 1
        return self._offer(reader, entry.id, frames)

    def _offer(self, reader: _Reader, id: LogId, frames: Sequence[FrameInput]) -> bool:
        """Hand over what an entry gave, possibly nothing: memory must know that it was read."""
        cursor = str(reader.position.advance(id))
        try:
            reader.tenure.handle.offer(Batch(frames, cursor))
        except (CameraNotOwned, Unavailable):
            return False  # given up meanwhile, or the engine stops
        return True

    def _fresh(self, reader: _Reader, id: LogId, chunk: FrameChunk) -> Sequence[Frame]:
        """The chunk's frames that are not too old to be taken."""
        position = reader.position
        position.live = chunk.live and not reader.tenure.replays(id)
        if not position.live:
            return chunk.frames
        stale_before = max(position.newest, id).ms - self._staleness_ms
        return [frame for frame in chunk.frames if frame.capture_time_ms >= stale_before]

    def _frames(
        self, reader: _Reader, id: LogId, chunk: FrameChunk, fresh: Sequence[Frame]
    ) -> list[FrameInput]:
        camera_id, position = reader.camera_id, reader.position
        replayed = reader.tenure.replays(id)
        if stale := len(chunk.frames) - len(fresh):
            self._metrics.frames.labels(camera_id, "dropped_stale").inc(stale)
        if chunk.discontinuity:
            position.lack(chunk.gap_reason)
        if missing := position.missing(chunk):
            dropped = missing <= chunk.dropped_before
            position.lack(GAP_REASON_DROPPED if dropped else GAP_REASON_TRIMMED)
        if stale:
            position.lack(GAP_REASON_DROPPED)
        frames: list[FrameInput] = []
        for frame in fresh:
            try:
                picture = decode_jpeg(frame.jpeg)
            except BadPicture as error:
                log.warning("picture_unreadable", camera=camera_id, error=str(error))
                self._metrics.frames.labels(camera_id, "decode_error").inc()
                position.lack(GAP_REASON_UNREADABLE)
                continue
            if self._shows_nothing_new(position, picture, frame.capture_time_ms):
                self._metrics.frames.labels(camera_id, "unchanged").inc()
                continue
            media_ms = frame.media_time_ms if frame.HasField("media_time_ms") else None
            after_gap = position.unseen
            stamp = FrameStamp(frame.capture_time_ms, media_ms, position.take_lack())
            reader.tenure.pictures.take(frame.capture_time_ms, frame.jpeg)
            ready = self._engine.prepare(picture)
            frames.append(FrameInput(ready, stamp, after_gap=after_gap, replayed=replayed))
        if replayed:
            self._metrics.replayed_frames.inc(len(frames))
        return frames

    def _shows_nothing_new(self, position: Position, picture: Tensor, capture_ms: int) -> bool:
        if self._new_gate is None:
            return False
        if position.gate is None or position.unseen:  # the first frame after a gap shows its end
            position.gate = self._new_gate()
        return not position.gate.passes(picture, capture_ms)

    def _see_losses(self, reader: _Reader, chunk: FrameChunk, frames: Sequence[FrameInput]) -> None:
        """Notice what the previous owner may have seen and this memory cannot have."""
        tenure, position = reader.tenure, reader.position
        if not position.begun:
            if frames:
                self._mark_lost(tenure, chunk, frames[0].stamp.capture_ms)
            if chunk.first_frame_index:
                tenure.mark_incomplete()  # the log begins in the middle
        trimmed = position.take(chunk)
        if trimmed:
            tenure.mark_incomplete()
            self._metrics.frames.labels(reader.camera_id, "trimmed").inc(trimmed)
            log.warning("frames_trimmed_unread", camera=reader.camera_id, frames=trimmed)

    def _mark_lost(self, tenure: Tenure, chunk: FrameChunk, first_ms: int) -> None:
        """A memory begins with a frame captured at `first_ms`: did an earlier one hold more?"""
        since_ms = None if tenure.earlier is None else tenure.earlier.lost_since(first_ms)
        if since_ms is None and chunk.first_frame_index:
            since_ms = first_ms  # the log begins in the middle, and nothing says who read the rest
        if since_ms is not None:
            log.warning("earlier_memory_lost", camera=tenure.camera.id, since_ms=since_ms)
            tenure.handle.mark_lost(since_ms)


class _Reader(NamedTuple):
    """A tenure whose memory is restored, and where its reader is."""

    tenure: Tenure
    position: Position

    @property
    def camera_id(self) -> str:
        return self.tenure.camera.id
