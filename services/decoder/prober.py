"""The prober: opens sources that a person asks about, each in a process of its own."""

from __future__ import annotations

import math
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol, cast

import redis
from google.protobuf.message import DecodeError
from redis.exceptions import NoPermissionError

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_CODEC,
    SOURCE_ERROR_TIMEOUT,
    CameraServiceProbeResponse,
    SourceError,
)
from hermes.v1.probe_pb2 import ProbeJob
from services.common import keys, logs
from services.common.heartbeats import Heartbeats
from services.common.periodic import Periodic
from services.common.redaction import redact
from services.decoder.camera_child import Process
from services.decoder.probe_process import MAX_ANSWER_BYTES, ProbeTask
from services.decoder.report import MAX_COUNT, Channel
from services.decoder.settings import DecoderSettings

log = logs.get(__name__)

BLOCK_S = 1.0
LOOK_S = 0.25
LEAST_S = 1.0
"""A job with less time left is not begun: its asker has given up by then."""
MOST_S = 30.0
ANSWER_S = 0.5
"""Of a job's time, what is kept for bringing back the answer."""
KEEP_ANSWER_S = 30
NO_RIGHT_PAUSE_S = 60.0


class ProbeLauncher(Protocol):
    """What starts the processes of probes."""

    def launch_probe(self, task: ProbeTask, end: socket.socket) -> Process:
        """Start one. Raises OSError or EOFError if it cannot be started."""
        ...


class Prober:
    """Takes jobs from Redis, one at a time, and puts the answers there. A thread."""

    def __init__(
        self,
        client: redis.Redis,
        settings: DecoderSettings,
        launcher: ProbeLauncher,
        do: Callable[[Callable[[], None]], None],
        heartbeats: Heartbeats | None = None,
    ) -> None:
        """`do`: has something done on the thread that starts processes, and does not wait."""
        self._redis = client
        self._settings = settings
        self._launcher = launcher
        self._do = do
        self._may = True
        self._periodic = Periodic("source-probes", self.step, 0.0, heartbeats or Heartbeats())

    def start(self) -> None:
        """Begin to take jobs."""
        self._periodic.start()

    def stop(self) -> None:
        """Take no more jobs, and end the one that runs."""
        self._periodic.stop()

    def step(self) -> float | None:
        """See to one job, if there is one. Raises `redis.RedisError`."""
        try:
            found = self._redis.blpop([keys.PROBES], timeout=BLOCK_S)
        except NoPermissionError as error:
            if self._may:
                log.warning("probes_not_permitted", error=str(error))
            self._may = False
            return NO_RIGHT_PAUSE_S
        self._may = True
        if found is None:
            return None
        try:
            job = ProbeJob.FromString(cast(bytes, found[1]))
        except DecodeError:
            log.error("probe_unreadable")
            return None
        left_s = self._left_s(job)
        if left_s < LEAST_S:
            return None
        began_s = time.monotonic()
        answer = self._answer(job, left_s - ANSWER_S)
        log.info(
            "source_probed",
            camera=job.camera.id,
            error=SourceError.Name(answer.error) if answer.error else None,
            message=answer.error_message,
            seconds=round(time.monotonic() - began_s, 3),
        )
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.rpush(keys.probe_answer(job.id), answer.SerializeToString())
            pipeline.expire(keys.probe_answer(job.id), KEEP_ANSWER_S)
            pipeline.execute()
        return None

    def _left_s(self, job: ProbeJob) -> float:
        seconds, micros = self._redis.time()
        return min(MOST_S, job.deadline_ms / 1000 - seconds - micros / 1e6)

    def _answer(self, job: ProbeJob, seconds: float) -> CameraServiceProbeResponse:
        """What a process of its own finds, or why it found nothing within `seconds`."""
        until_s = time.monotonic() + seconds
        ours, theirs = Channel.pair()
        channel = Channel(ours, MAX_ANSWER_BYTES)
        task = ProbeTask(
            job.camera.SerializeToString(), self._settings, seconds - LOOK_S, job.thumbnail
        )
        started: queue.SimpleQueue[Process | None] = queue.SimpleQueue()
        given_up = threading.Event()

        def launch() -> None:
            process = None
            try:
                process = self._launcher.launch_probe(task, theirs)
            except Exception as error:
                log.error("probe_not_started", error=type(error).__name__)
            theirs.close()
            if given_up.is_set() and process is not None:
                process.kill()
            started.put(process)

        self._do(launch)
        try:
            process = started.get(timeout=seconds)
        except queue.Empty:
            given_up.set()
            theirs.close()  # what is not started by now cannot be any more
            process = None
        if process is None:
            channel.close()
            return _failed(SOURCE_ERROR_TIMEOUT, "its reader could not be started in time")
        try:
            return self._heard(channel, until_s)
        finally:
            process.kill()
            channel.close()

    def _heard(self, channel: Channel, until_s: float) -> CameraServiceProbeResponse:
        """The last thing that the process said."""
        found: CameraServiceProbeResponse | None = None
        while (now_s := time.monotonic()) < until_s and not self._periodic.stopping:
            message = channel.receive(min(LOOK_S, until_s - now_s))
            if message == "nothing":
                continue
            if not isinstance(message, bytes):
                found = found or CameraServiceProbeResponse()
                found.error, found.error_message = SOURCE_ERROR_CODEC, "its reader crashed"
                return found
            found = _read(message) or found
            if found is not None and (found.error or found.frame_bytes):
                return found
        found = found or CameraServiceProbeResponse()
        found.error = SOURCE_ERROR_TIMEOUT
        found.error_message = "no answer, or no data, in time"
        return found


def _read(message: bytes) -> CameraServiceProbeResponse | None:
    """What a process said, if it can be passed on: it handles what strangers send."""
    try:
        found = CameraServiceProbeResponse.FromString(message)
        SourceError.Name(found.error)
    except (DecodeError, ValueError):
        return None
    found.error_message = redact(found.error_message)
    rates = (found.frames_per_second, found.picture.frames_per_second)
    if not all(math.isfinite(rate) and 0 <= rate <= MAX_COUNT for rate in rates):
        return None
    return found


def _failed(error: SourceError, message: str) -> CameraServiceProbeResponse:
    return CameraServiceProbeResponse(error=error, error_message=message)
