"""All services on this machine, as `hermes demo` and `hermes up` start them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hermes.client import Camera, HermesClient
from hermes.cpus import usable_cpus
from hermes.errors import HermesError
from services.cli.processes import Pipeline, Setting, wait_ready

DRAIN_S = 15.0
"""Nobody is there to hand cameras to: this is for checkpoints, and less than what `stop` waits."""
GATEWAY_GRACE_S = 3.0
"""How long Ctrl-C waits for an answer that is being written."""


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
    frame_tokens: int = 0
    """The most tokens of a frame."""
    frames_per_second: float = 0.0
    capacity: int = 0
    """Cameras that are read at a time."""
    max_memories: int = 0
    reflection: bool = False
    memories: Path | None = None
    """Where memories are kept for the next run; None keeps none."""
    sinks: Path | None = None
    """The notifier's file of sinks; None runs no notifier."""


def start_services(pipeline: Pipeline, settings: LocalSettings, say: Callable[[str], None]) -> str:
    """Start Redis, worker, decoder and gateway; the gateway's address. Raises `StartFailed`."""
    redis = pipeline.start_redis()
    say(f"Redis: {redis.origin}")
    media: dict[str, Setting] = (
        {} if settings.media_root is None else {"media_root": settings.media_root}
    )
    worker = pipeline.start("worker", "services.hermes_worker.main", **_for_worker(settings))
    decoder = pipeline.start("decoder", "services.decoder.main", **_for_decoder(settings), **media)
    gateway = pipeline.start(
        "gateway", "services.query_gateway.main", **_for_gateway(settings), **media
    )
    if settings.sinks is not None:
        notifier = pipeline.start("notifier", "services.notifier.main", sinks=settings.sinks)
        wait_ready(notifier)
        say("notifier: ready")
    address = str(wait_ready(gateway)["address"])
    say(f"gateway: {address}")
    wait_ready(decoder)
    say("decoder: ready")
    wait_ready(worker, say=say)
    say(f"worker: ready, model {Path(settings.model).name}")
    return address


def _for_worker(settings: LocalSettings) -> dict[str, Setting]:
    options: dict[str, Setting] = {
        "model": settings.model,
        "device": settings.device,
        "listen": "127.0.0.1:0",
    }
    if settings.revision:
        options["model_revision"] = settings.revision
    if settings.budget_tokens:
        options["budget_tokens"] = settings.budget_tokens
    if settings.frame_tokens:
        options["frame_tokens"] = settings.frame_tokens
    if settings.max_memories:
        options["max_cameras"] = settings.max_memories
    if settings.memories is not None:
        options["checkpoint_url"] = str(settings.memories)
    if settings.device != "cuda" and "HERMES_THREADS" not in os.environ:
        # One core stays free for decoding, serving and the leases.
        options["threads"] = max(1, usable_cpus() - 1)
    if "HERMES_DRAIN_S" not in os.environ:
        options["drain_s"] = DRAIN_S
    return options


def _for_decoder(settings: LocalSettings) -> dict[str, Setting]:
    options: dict[str, Setting] = {}
    if settings.frame_size:
        options["frame_size"] = settings.frame_size
    if settings.frames_per_second:
        options["frames_per_second"] = settings.frames_per_second
    if settings.capacity:
        options["capacity"] = settings.capacity
    return options


def _for_gateway(settings: LocalSettings) -> dict[str, Setting]:
    options: dict[str, Setting] = {"listen": settings.gateway}
    if settings.reflection:
        options["reflection"] = "true"
    if "HERMES_DRAIN_GRACE_S" not in os.environ:
        options["drain_grace_s"] = GATEWAY_GRACE_S
    return options


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
        pipeline.check_redis()
        try:
            cameras = [camera for camera in client.list_cameras() if camera.id in wanted]
        except HermesError:
            cameras = []  # a passing fault of the gateway: ask again
        show(cameras)
        done = [camera for camera in cameras if ready(camera)]
        if len(done) == len(wanted) or time.monotonic() > deadline:
            return cameras
        time.sleep(0.25)
