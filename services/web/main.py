"""`hermes-web`: the program that runs the HTTP door."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.async_service import run_async_service
from services.web.door import Door
from services.web.settings import WebSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    return run_async_service("web", WebSettings, Door, argv)


if __name__ == "__main__":
    raise SystemExit(main())
