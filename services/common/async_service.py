"""Runs a service in an event loop: traces, announcement, signals, orderly shutdown."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from services.common import logs, tracing
from services.common.announce import announce
from services.common.service import SIGNALS, run_service
from services.common.settings import ProcessSettings

log = logs.get(__name__)

S = TypeVar("S", bound=ProcessSettings)


class AsyncService(Protocol):
    """A gateway or a worker. Made and used on the running loop."""

    ready: asyncio.Event
    """Set once the service can take calls and may be announced."""
    failed: asyncio.Event
    """Set if the service cannot go on and the process should end."""

    @property
    def address(self) -> str:
        """host:port at which this machine reaches the service."""
        ...

    @property
    def metrics_port(self) -> int:
        """Port of /metrics, /healthz and /readyz."""
        ...

    async def start(self) -> None:
        """Begin to serve. May take minutes."""
        ...

    async def stop(self) -> None:
        """Let open calls end, and close everything."""
        ...


def run_async_service(
    name: str,
    kind: type[S],
    make: Callable[[S], AsyncService],
    argv: Sequence[str] | None = None,
) -> int:
    """`run_service` for what `make` returns, with traces if the environment asks for them.

    Runs until SIGTERM or SIGINT; a second signal ends the process at once.
    """

    def serve(settings: S) -> int:
        tracing.configure(name, settings.instance)
        try:
            return asyncio.run(_serve(settings, make))
        finally:
            tracing.stop()

    return run_service(name, kind, serve, argv)


async def _serve(settings: S, make: Callable[[S], AsyncService]) -> int:
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, asked_to_stop.set)
    service = make(settings)
    starting = asyncio.create_task(service.start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("stopped_while_starting")
        os._exit(0)  # loading a model cannot be interrupted, and nothing is held yet
    await starting
    _keep_what_is_there()
    announcing = asyncio.create_task(_announce_when_ready(service, settings.announce))
    failing = asyncio.create_task(service.failed.wait())
    await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
    for number in SIGNALS:
        loop.remove_signal_handler(number)
    announcing.cancel()
    await service.stop()
    return 1 if service.failed.is_set() else 0


def _keep_what_is_there() -> None:
    """Have the garbage collector leave alone what was loaded.

    All threads wait while it looks through everything that is there: with torch and a model,
    these are half a million objects, and a third of a second, again and again. They stay anyway.
    """
    gc.collect()
    gc.freeze()


async def _announce_when_ready(service: AsyncService, path: str) -> None:
    await service.ready.wait()
    log.info("ready")
    announce(path, address=service.address, metrics_port=service.metrics_port)
