"""All services on this machine, as `hermes demo` and `hermes up` start them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hermes.client import Camera, HermesClient
from hermes.errors import HermesError
from services.cli.processes import Pipeline, wait_ready


def end_on_sigterm() -> None:
    """Let SIGTERM end this command as Ctrl-C does: in order, with everything cleaned up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The settings of a local run. Empty strings and zeros mean the services' defaults."""

    model: str = "demo"
    revision: str = ""
    device: str = "auto"
    gateway: str = "127.0.0.1:0"
    media_root: Path | None = None
    frame_size: str = ""
    budget_tokens: int = 0
    frames_per_second: float = 0.0
    memories: Path | None = None
    """Where memories are kept for the next run; None keeps none."""


def start_services(pipeline: Pipeline, settings: LocalSettings, say: Callable[[str], None]) -> str:
    """Start Redis, worker, decoder and gateway; the gateway's address. Raises `StartFailed`."""
    redis = pipeline.start_redis()
    say(f"Redis: {redis.origin}")
    media = {} if settings.media_root is None else {"media_root": settings.media_root}
    worker_options: dict[str, str | int] = {
        "model": settings.model,
        "device": settings.device,
        "listen": "127.0.0.1:0",
    }
    if settings.revision:
        worker_options["model_revision"] = settings.revision
    if settings.budget_tokens:
        worker_options["budget_tokens"] = settings.budget_tokens
    if settings.memories is not None:
        worker_options["checkpoint_url"] = str(settings.memories)
    if settings.device != "cuda" and "HERMES_THREADS" not in os.environ:
        # One core stays free for decoding, serving and the leases.
        worker_options["threads"] = max(1, (os.cpu_count() or 2) - 1)
    decoder_options: dict[str, str | float] = {}
    if settings.frame_size:
        decoder_options["frame_size"] = settings.frame_size
    if settings.frames_per_second:
        decoder_options["frames_per_second"] = settings.frames_per_second
    worker = pipeline.start("worker", "services.hermes_worker.main", **worker_options)
    decoder = pipeline.start("decoder", "services.decoder.main", **decoder_options, **media)
    gateway = pipeline.start(
        "gateway", "services.query_gateway.main", listen=settings.gateway, **media
    )
    address = str(wait_ready(gateway)["address"])
    say(f"gateway: {address}")
    wait_ready(decoder)
    say("decoder: ready")
    wait_ready(worker)
    say(f"worker: ready, model {Path(settings.model).name}")
    return address


def wait_for_cameras(
    client: HermesClient,
    wanted: set[str],
    ready: Callable[[Camera], bool],
    pipeline: Pipeline,
    timeout_s: float,
    show: Callable[[list[Camera]], None],
) -> list[Camera]:
    """Wait until each wanted camera is `ready`, or time is up. Shows progress."""
    deadline = time.monotonic() + timeout_s
    while True:
        pipeline.check()
        try:
            cameras = [camera for camera in client.list_cameras() if camera.id in wanted]
        except HermesError:
            cameras = []  # a passing fault of the gateway: ask again
        show(cameras)
        done = [camera for camera in cameras if ready(camera)]
        if len(done) == len(wanted) or time.monotonic() > deadline:
            return cameras
        time.sleep(0.25)
