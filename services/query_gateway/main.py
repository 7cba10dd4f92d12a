"""`hermes-gateway`: questions in, answers out."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from hermes.errors import HermesError
from services.common import logs, tracing
from services.common.announce import announce, reachable
from services.common.files import UnusableFile
from services.common.grpc_server import CannotListen
from services.common.settings import load
from services.query_gateway.gateway import Gateway
from services.query_gateway.settings import GatewaySettings

log = logs.get(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT. A second signal ends the process at once."""
    settings = load(GatewaySettings, "hermes-gateway", argv)
    logs.configure("gateway", settings.log_level)
    tracing.configure("gateway", settings.instance)
    log.info("starting", **settings.shown())
    try:
        asyncio.run(_run(settings))
    except (HermesError, CannotListen, UnusableFile, OSError) as error:
        log.error("cannot_start", error=str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        tracing.stop()


async def _run(settings: GatewaySettings) -> None:
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, asked_to_stop.set)
    gateway = Gateway(settings)
    await gateway.start()
    announcing = asyncio.create_task(_announce_when_ready(gateway, settings))
    await asked_to_stop.wait()
    for number in SIGNALS:
        loop.remove_signal_handler(number)
    announcing.cancel()
    await gateway.stop()


async def _announce_when_ready(gateway: Gateway, settings: GatewaySettings) -> None:
    await gateway.ready.wait()
    log.info("ready")
    announce(
        settings.announce,
        address=reachable(settings.listen, gateway.port),
        metrics_port=gateway.metrics_port,
    )


if __name__ == "__main__":
    main()
