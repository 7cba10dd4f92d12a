"""`hermes-gateway`: the program that runs the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.async_service import run_async_service
from services.query_gateway.gateway import Gateway
from services.query_gateway.settings import GatewaySettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    return run_async_service("gateway", GatewaySettings, Gateway, argv)


if __name__ == "__main__":
    raise SystemExit(main())
