"""What the mains of the services share: settings, logs, errors as exit codes, signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from hermes.errors import HermesError
from services.common import logs
from services.common.files import UnusableFile
from services.common.settings import ProcessSettings, load

log = logs.get(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Either asks a service to stop."""

S = TypeVar("S", bound=ProcessSettings)


def run_service(
    name: str, kind: type[S], serve: Callable[[S], int], argv: Sequence[str] | None = None
) -> int:
    """Read the settings of `hermes-NAME`, set up its logs, and run `serve` with them.

    Returns the exit status: what `serve` returns, 1 if it could not start (which is
    logged in one line), 130 if it was interrupted.
    """
    settings = load(kind, f"hermes-{name}", argv)
    logs.configure(name, settings.log_level)
    log.info("starting", **settings.shown())
    try:
        return serve(settings)
    except (HermesError, UnusableFile, OSError) as error:
        log.error("cannot_start", error=str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def stop_requested() -> threading.Event:
    """An event that SIGTERM and SIGINT set. To be called on the main thread."""
    asked = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: asked.set())
    return asked
