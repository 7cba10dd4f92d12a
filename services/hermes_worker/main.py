"""`hermes-worker`: one device, one copy of the weights, many memories."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from hermes.errors import HermesError
from services.common import logs, tracing
from services.common.announce import announce, reachable
from services.common.files import UnusableFile
from services.common.grpc_server import CannotListen
from services.common.settings import load
from services.hermes_worker.settings import WorkerSettings
from services.hermes_worker.worker import Worker

log = logs.get(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT. A second signal ends the process at once."""
    settings = load(WorkerSettings, "hermes-worker", argv)
    logs.configure("worker", settings.log_level)
    tracing.configure("worker", settings.instance)
    log.info("starting", **settings.shown())
    try:
        status = asyncio.run(_run(settings))
    except (HermesError, CannotListen, UnusableFile, OSError) as error:
        log.error("cannot_start", error=str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        tracing.stop()
    sys.exit(status)


async def _run(settings: WorkerSettings) -> int:
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, asked_to_stop.set)
    worker = Worker(settings)
    starting = asyncio.create_task(worker.start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        log.info("stopped_while_starting")
        os._exit(0)  # loading a model cannot be interrupted, and nothing is held yet
    await starting
    announce(
        settings.announce,
        address=reachable(settings.listen, worker.port),
        metrics_port=worker.metrics_port,
    )
    failing = asyncio.create_task(worker.failed.wait())
    await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
    for number in SIGNALS:
        loop.remove_signal_handler(number)
    await worker.stop()
    return 1 if worker.failed.is_set() else 0


if __name__ == "__main__":
    main()
