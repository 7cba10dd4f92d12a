"""`hermes-notifier`: the program that runs the notifier."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.async_service import run_async_service
from services.notifier.notifier import Notifier
from services.notifier.settings import NotifierSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    return run_async_service("notifier", NotifierSettings, Notifier, argv)


if __name__ == "__main__":
    raise SystemExit(main())
