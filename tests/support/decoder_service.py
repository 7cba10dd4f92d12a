"""The decoder service as a real process, and ways to observe it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis
from google.protobuf.duration_pb2 import Duration

from hermes.v1.camera_pb2 import Camera, Picture, Sampling, SourceStatus
from hermes.v1.frames_pb2 import Frame, FrameChunk
from services.common import camera_status, keys
from services.common.frame_log import BEGINNING, LogId, RedisFrameLog
from tests.support.holder import remove
from tests.support.waiting import eventually

QUICK = {
    "HERMES_OPEN_TIMEOUT_S": "3",
    "HERMES_READ_TIMEOUT_S": "1",
    "HERMES_WATCHDOG_S": "4",
    "HERMES_BACKOFF_BASE_S": "0.2",
    "HERMES_BACKOFF_CAP_S": "0.5",
    "HERMES_STABLE_S": "1",
    "HERMES_FRAME_SIZE": "64",
    "HERMES_FRAMES_PER_SECOND": "5",
    "HERMES_CHUNK_MAX_DURATION_S": "0.4",
}


class DecoderService:
    """`hermes-decoder` with short time-outs. A context manager."""

    def __init__(self, redis_url: str, folder: Path, **settings: str) -> None:
        self.redis = redis.Redis.from_url(redis_url)
        self.log = RedisFrameLog(self.redis)
        self.media = folder / "media"
        self.media.mkdir(parents=True, exist_ok=True)
        self._announce = folder / "announce.json"
        self._announce.unlink(missing_ok=True)
        self._stderr = folder / "stderr.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HERMES_")}
        environment |= QUICK | settings
        environment |= {
            "HERMES_REDIS_URL": redis_url,
            "HERMES_MEDIA_ROOT": str(self.media),
            "HERMES_METRICS_HOST": "127.0.0.1",
            "HERMES_ANNOUNCE": str(self._announce),
        }
        with self._stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from services.decoder.main import main; main()"],
                env=environment,
                stdout=stderr,
                stderr=stderr,
            )

    def __enter__(self) -> Self:
        eventually(
            lambda: self._announce.exists() or self.process.poll() is not None, name="announce"
        )
        assert self.process.poll() is None, self.output()
        self.port = int(json.loads(self._announce.read_text())["metrics_port"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            print(self.output())
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.redis.close()

    def add(
        self,
        camera_id: str,
        url: str,
        *,
        pacing: int = 0,
        loop: bool = False,
        fps: float = 0,
        chunk_frames: int = 0,
        chunk_s: float = 0,
        picture: Picture | None = None,
    ) -> None:
        """Register a camera."""
        duration = Duration()
        duration.FromMilliseconds(int(chunk_s * 1000))
        camera = Camera(
            id=camera_id,
            url=url,
            pacing=pacing,  # type: ignore[arg-type]
            loop=loop,
            picture=picture,
            sampling=Sampling(
                frames_per_second=fps, chunk_max_frames=chunk_frames, chunk_max_duration=duration
            ),
        )
        camera.created.GetCurrentTime()
        self.redis.hset(keys.CAMERAS, camera_id, camera.SerializeToString())

    def remove(self, camera_id: str) -> None:
        """Forget a camera."""
        remove(self.redis, camera_id)

    def status(self, camera_id: str) -> SourceStatus:
        """What the service says of a camera."""
        raw: dict[bytes, bytes] = self.redis.hgetall(keys.status(camera_id))  # type: ignore[assignment]
        return camera_status.parse(raw)[0]

    def wait_for(
        self, camera_id: str, state: int, error: int | None = None, timeout_s: float = 15.0
    ) -> SourceStatus:
        """The camera's status once it has that state (and error)."""

        def reached() -> bool:
            status = self.status(camera_id)
            return status.state == state and error in (None, status.error)

        try:
            eventually(reached, timeout_s)
        except AssertionError:
            raise AssertionError(f"{camera_id} is {self.status(camera_id)}") from None
        return self.status(camera_id)

    def chunks(self, camera_id: str, after: LogId = BEGINNING) -> list[FrameChunk]:
        """What is in the camera's log."""
        entries = self.log.read({camera_id: after}, count=10_000, block_s=0)
        return [entry.chunk for entry in entries if entry.chunk is not None]

    def frames(self, camera_id: str) -> list[Frame]:
        """The frames in the camera's log."""
        return [frame for chunk in self.chunks(camera_id) for frame in chunk.frames]

    def wait_for_more(self, camera_id: str, frames: int = 3, timeout_s: float = 15.0) -> None:
        """Return once so many frames more are in the camera's log."""
        last = self.log.last_id(camera_id)
        eventually(
            lambda: sum(len(c.frames) for c in self.chunks(camera_id, last)) >= frames,
            timeout_s,
            f"{frames} more frames of {camera_id}",
        )

    def longest_pause_ms(self, camera_id: str) -> int:
        """The longest time between two frames, but for the first ones."""
        times = [frame.capture_time_ms for frame in self.frames(camera_id)][3:]
        return max(b - a for a, b in pairwise(times))

    def get(self, path: str) -> str:
        """A page of the service's HTTP port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
            return str(reply.read().decode())

    def metric(self, line_start: str) -> float:
        """A sample, by its name and labels."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(line_start + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def output(self) -> str:
        """Everything that the service and its children wrote."""
        return self._stderr.read_text()

    def events(self, event: str) -> list[dict[str, object]]:
        """Log lines of one kind."""
        lines = [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def camera_pid(self, camera_id: str) -> int:
        """The process that reads a camera now."""
        started = [e for e in self.events("camera_process_started") if e["camera"] == camera_id]
        return int(str(started[-1]["pid"]))

    def family(self) -> list[psutil.Process]:
        """Every process below the service."""
        return psutil.Process(self.process.pid).children(recursive=True)
