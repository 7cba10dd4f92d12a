"""`hermes-decoder`: reads cameras and puts their frames into the frame log."""

from __future__ import annotations

from collections.abc import Sequence

from services.common import logs
from services.common.announce import announce
from services.common.connection import connect
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.leases import Leases
from services.common.metrics import Metrics
from services.common.ownership import Ownership
from services.common.placement import Member
from services.common.service import run_service, stop_requested
from services.common.status_writer import StatusWriter
from services.decoder.fork_server import ForkServer
from services.decoder.prober import Prober
from services.decoder.settings import DecoderSettings
from services.decoder.supervisor import Supervisor

log = logs.get(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    return run_service("decoder", DecoderSettings, serve, argv)


def serve(settings: DecoderSettings) -> int:
    """Start every part, wait for a signal, and stop them in the order of their dependencies.

    Raises OSError if the HTTP port cannot be bound, `UnusableFile` if there is no password,
    or no key.
    """
    settings.credentials.check()
    stopped = stop_requested()
    metrics, heartbeats = Metrics(), Heartbeats()
    client = connect(settings.redis_url, access=settings.redis_access)
    leases = Leases(client, "decoder", settings.instance, address="")
    launcher = ForkServer()
    supervisor = Supervisor(settings, metrics, launcher=launcher)
    prober = Prober(client, settings, launcher, supervisor.do, heartbeats)

    def member(load: int, now_ms: int) -> Member:
        return Member(settings.instance, "", "cpu", settings.capacity, load, now_ms)

    ownership = Ownership(client, leases, supervisor, member, metrics, "decoder", settings.capacity)

    def ready() -> tuple[bool, str]:
        if not supervisor.healthy:
            return False, "the supervisor is not running"
        return (True, "ok") if ownership.reachable else (False, "Redis cannot be reached")

    server = StatusServer(
        settings.metrics_host, settings.metrics_port, metrics, ready, heartbeats=heartbeats
    )
    writer = StatusWriter(
        supervisor.fields,
        leases,
        metrics,
        heartbeats,
        urgent=lambda: frozenset(
            (lease.camera_id, lease.epoch, status.state, status.error)
            for lease, status in supervisor.statuses()
        ),
    )
    server.start()
    supervisor.start()
    ownership.start()
    writer.start()
    prober.start()
    announce(settings.announce, metrics_port=server.port, instance=settings.instance)
    log.info("started", metrics_port=server.port)
    stopped.wait()
    log.info("stopping")
    prober.stop()
    ownership.retire()
    # Camera processes first: the frames that they hold can be published only under our leases.
    supervisor.stop()
    writer.stop()
    ownership.stop()
    server.stop()
    client.close()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
