"""`hermes-worker`: one device, one copy of the weights, many memories."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.async_service import run_async_service
from services.hermes_worker.settings import WorkerSettings
from services.hermes_worker.worker import Worker


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    return run_async_service("worker", WorkerSettings, Worker, argv)


if __name__ == "__main__":
    raise SystemExit(main())
