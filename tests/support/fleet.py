"""Many services as processes, questions to all of them, and a book of what was answered."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

import redis

from hermes.client import Camera, HermesClient
from hermes.contents import LayerContents
from hermes.errors import DeadlineExceeded, HermesError, Retryable
from services.cli import redis_server
from services.cli.processes import Pipeline, wait_ready
from services.cli.redis_server import LocalRedis
from services.common import keys
from services.common.connection import connect
from services.common.frame_log import BEGINNING, RedisFrameLog
from services.common.leases import Leases, Owner
from tests.support import tiny
from tests.support.pipeline import Running
from tests.support.waiting import eventually

QUESTION = "What happened?"
OWNERLESS_S = 15.0
START_S = 400.0
"""A service takes seconds to start, and minutes on a machine that is busy with much else."""
SETTINGS = {
    "HERMES_FRAME_SIZE": "112x112",
    "HERMES_FRAMES_PER_SECOND": "5",
    "HERMES_CHUNK_MAX_DURATION_S": "0.4",
    "HERMES_UNREAD_MAX_BYTES": str(64 << 10),
    "HERMES_REPLAY_WINDOW_S": "60",
    "HERMES_DEVICE": "cpu",
    "HERMES_THREADS": "1",
    "HERMES_BUDGET_TOKENS": "320",
    "HERMES_MAX_CAMERAS": "12",
    "HERMES_CHECKPOINT_EVERY_S": "3",
    "HERMES_CHECKPOINT_EVERY_FRAMES": "100",
    "HERMES_HAND_OVER_WAIT_S": "20",
}


class Fleet(Running):
    """Workers, decoders, gateways and notifiers by name: `worker-3`, `decoder-1`, `gateway-2`."""

    def __init__(self, pipeline: Pipeline, gateways: int = 1) -> None:
        self.addresses = {
            f"gateway-{n}": f"127.0.0.1:{redis_server.free_port()}" for n in range(1, gateways + 1)
        }
        super().__init__(pipeline, self.addresses["gateway-1"])
        self.store = pipeline.folder / "store"
        self.media = pipeline.folder / "media"
        self.media.mkdir(exist_ok=True)

    def start(self, *names: str, **settings: str | Path) -> None:
        """Start services and wait until all are ready."""
        kinds: dict[str, tuple[str, dict[str, str | Path]]] = {
            "worker": (
                "hermes_worker",
                {"model": tiny.folder(), "listen": "127.0.0.1:0", "checkpoint_url": self.store},
            ),
            "decoder": ("decoder", {"media_root": self.media}),
            "gateway": ("query_gateway", {"media_root": self.media}),
            "notifier": ("notifier", {}),
        }
        started = []
        for name in names:
            package, own = kinds[name.partition("-")[0]]
            if name in self.addresses:
                own = {**own, "listen": self.addresses[name]}
            module = f"services.{package}.main"
            started.append(
                self.pipeline.start(name, module, **{"instance": name, **own, **settings})
            )
        for child in started:
            wait_ready(child, START_S)

    @cached_property
    def redis(self) -> redis.Redis:
        """A client of the fleet's Redis, whatever its shape."""
        assert self.pipeline.redis is not None
        return connect(self.pipeline.redis.url, block_s=1)

    def send(self, name: str, number: signal.Signals) -> None:
        self.child(name).process.send_signal(number)

    def end(self, name: str, within_s: float = 40.0) -> float:
        """SIGTERM, and how long it took to end, in order."""
        child, began = self.child(name), time.monotonic()
        self.pipeline.children.remove(child)
        child.process.send_signal(signal.SIGTERM)
        assert child.process.wait(within_s) == 0
        return time.monotonic() - began

    def owner(self, camera_id: str, role: keys.Role = "worker") -> Owner | None:
        """The camera's current owner, if it has one."""
        leases = Leases(self.redis, role, "test", "")
        owner = leases.owners([camera_id])[camera_id]
        return owner if owner is not None and owner.expires_ms > leases.now_ms() else None

    def owned_anew(self, camera_id: str, former: Owner, within_s: float = OWNERLESS_S) -> float:
        """How long it took until another instance had the camera."""
        began = time.monotonic()

        def taken() -> bool:
            owner = self.owner(camera_id)
            return owner is not None and owner.instance != former.instance

        eventually(taken, within_s, f"{camera_id} has an owner again")
        return time.monotonic() - began

    def film(self, camera_id: str) -> None:
        """Add a camera that is a film: read as fast as it is remembered, and whole."""
        self.client.add_camera(camera_id, "film.mp4")

    def whole(self, camera_id: str, frames: int, timeout_s: float = 180.0) -> None:
        """Return once memory has seen all of a film; fail if anything is missing."""

        def read(camera: Camera) -> bool:
            memory = camera.memory
            return memory.state == "serving" and memory.coverage.frames_seen >= frames

        coverage = self.until(camera_id, read, timeout_s).memory.coverage
        assert (coverage.frames_seen, coverage.gaps) == (frames, ()), repr(coverage)

    def said(self, camera_id: str) -> tuple[str, int]:
        """The answer to one and the same question, and how many frames it had seen."""
        stream = self.client.ask(camera_id, QUESTION, max_tokens=12, timeout=40)
        text = "".join(stream)
        return text, stream.result().coverage.frames_seen

    def shown(self, camera_id: str) -> list[tuple[float, str]]:
        """The frames of which memory holds something: their places in the film, their pictures."""
        return [
            (frame.media_s or 0.0, sha256(frame.jpeg).hexdigest() if frame.jpeg else "none")
            for frame in self.client.frames(camera_id, timeout=40)
        ]

    def held(self, camera_id: str) -> tuple[LayerContents, ...]:
        """What memory holds of a camera, layer by layer."""
        return self.client.inspect(camera_id).layers


@contextmanager
def running(
    folder: Path,
    gateways: int = 1,
    start_redis: Callable[[Path], LocalRedis] = redis_server.start,
    redis_url: str = "",
    **settings: str,
) -> Iterator[Fleet]:
    """A fleet with its own Redis, or with that of `redis_url`."""
    with Pipeline(folder, SETTINGS | settings) as pipeline:
        given = LocalRedis(redis_url, "given") if redis_url else None
        pipeline.redis = given or start_redis(folder / "redis")
        fleet = Fleet(pipeline, gateways)
        try:
            yield fleet
        finally:
            fleet.redis.close()
            fleet.client.close()


def restart_redis(fleet: Fleet, folder: Path | None = None) -> None:
    """The same address, with the data of `folder`, or its own."""
    local = fleet.pipeline.redis
    assert local is not None
    assert local.process is not None
    local.process.kill()
    local.process.wait()
    port = int(local.url.rsplit(":", 1)[1].partition("/")[0])
    again = redis_server.start(folder or fleet.pipeline.folder / "redis", port=port)
    local.process = again.process


class Pictures:
    """What a camera's log carries, as it comes. A context manager."""

    def __init__(self, client: redis.Redis, camera_id: str) -> None:
        self._log, self._camera_id = RedisFrameLog(client), camera_id
        self._chunks: list[tuple[int, bool, list[tuple[int, str]]]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _read(self) -> None:
        last = BEGINNING
        while not self._done.is_set():
            for entry in self._log.read({self._camera_id: last}, count=32, block_s=0.2):
                last = entry.id
                if (chunk := entry.chunk) is not None:
                    seen = [(f.media_time_ms, sha256(f.jpeg).hexdigest()) for f in chunk.frames]
                    self._chunks.append((chunk.epoch, chunk.discontinuity, seen))

    @property
    def frames(self) -> list[tuple[int, str]]:
        """Frame by frame: its place in the film, its picture."""
        return [frame for _, _, seen in self._chunks for frame in seen]

    @property
    def chunks(self) -> list[tuple[int, bool, int]]:
        """Chunk by chunk: its writer's epoch, whether the film was interrupted, its frames."""
        return [(epoch, cut, len(seen)) for epoch, cut, seen in self._chunks]


@dataclass
class Book:
    """What was asked, and what came of it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> int:
        return sum(self.outcomes.values())

    @property
    def share(self) -> float:
        """Of all questions, those that were answered within their deadline."""
        return self.outcomes["answered"] / max(1, self.asked)

    def __str__(self) -> str:
        rest = ", ".join(f"{n} {what}" for what, n in self.outcomes.most_common())
        return (
            f"{self.asked} questions, {100 * self.share:.2f}% answered in time"
            f" (slowest {self.slowest_s:.2f} s): {rest}"
        )


class Asker:
    """Asks one gateway about its cameras, one question after the other, until stopped.

    A book of what must never be: an answer from an older epoch than one before,
    a memory that knows less than it did, a status that nobody may retry.
    """

    def __init__(
        self,
        address: str,
        camera_ids: list[str],
        book: Book,
        *,
        deadline_s: float = 30.0,
        expected: dict[str, str] | None = None,
        pause_s: float = 0.05,
        forgetful: bool = False,
        question: str = QUESTION,
    ) -> None:
        self._client = HermesClient(address)
        self._ids = camera_ids
        self._book = book
        self._deadline_s = deadline_s
        self._expected = expected or {}
        self._pause_s = pause_s
        self._forgetful = forgetful
        self._question = question
        self._epochs: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Asker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * self._deadline_s)
        self._client.close()

    def _run(self) -> None:
        choice = random.Random(len(self._ids))
        while not self._stop.wait(self._pause_s):
            self._ask(choice.choice(self._ids))

    def _ask(self, camera_id: str) -> None:
        began = time.monotonic()
        book = self._book
        try:
            stream = self._client.ask(
                camera_id, self._question, max_tokens=12, timeout=self._deadline_s
            )
            text = "".join(stream)
            result = stream.result()
        except (Retryable, DeadlineExceeded) as error:
            with book.lock:
                book.outcomes[type(error).__name__] += 1
            return
        except HermesError as error:
            with book.lock:
                book.outcomes[type(error).__name__] += 1
                book.wrong.append(f"{camera_id}: {type(error).__name__}: {error}")
            return
        with book.lock:
            book.outcomes["answered"] += 1
            book.slowest_s = max(book.slowest_s, time.monotonic() - began)
            if result.epoch < self._epochs.get(camera_id, 0):
                book.wrong.append(f"{camera_id}: epoch {result.epoch} after a newer one")
            seen = result.coverage.frames_seen
            if seen < self._seen.get(camera_id, 0) and not self._forgetful:
                book.wrong.append(f"{camera_id}: {seen} frames after {self._seen[camera_id]}")
            if text != self._expected.get(camera_id, text):
                book.wrong.append(f"{camera_id}: said {text!r}, not {self._expected[camera_id]!r}")
            self._epochs[camera_id] = result.epoch
            self._seen[camera_id] = seen
