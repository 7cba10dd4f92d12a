"""Structured logs: JSON lines, or readable ones in a terminal; secrets are masked in both."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextvars import Token
from types import TracebackType
from typing import Any

import structlog

from services.common.redaction import MASK, redact

_SECRET_KEY = re.compile(
    r"(?i)(?:.*[_-])?(?:password|passwd|secret|authorization|api[_-]?key|credentials?|token)"
)
_INTERNAL = ("_record", "_from_structlog", "exc_info")
"""Entries that structlog adds for its own use; they are never printed."""


def _redact_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key not in _INTERNAL:
            event[key] = _shown(key, value)
    return event


def _shown(key: str, value: Any) -> Any:
    """The value as it may be printed, containers item by item."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redact(str(k)): _shown(str(k), v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(key, item) for item in value]
    if value and _SECRET_KEY.fullmatch(key):
        return MASK
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode(errors="replace")
    return redact(str(value))


def configure_minimal() -> None:
    """Logging until `configure` is called: readable lines on stderr, secrets masked.

    structlog's own default prints exceptions with the local variables of every frame.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _redact_values,
            _console(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _console(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    # Exceptions arrive here formatted and masked; plain_traceback leaves them as they are.
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )


def configure(
    service: str, level: str = "info", *, json: bool | None = None, **fields: str
) -> None:
    """Set up logging for this process. `json=None`: JSON unless stderr is a terminal.

    `fields` are added to every line, whichever thread writes it.
    """
    if json is None:
        json = not sys.stderr.isatty()
    fixed = {"service": service, **fields}

    def _add_fixed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not a context variable: a thread starts with an empty context.
        return {**fixed, **event}

    shared: list[Any] = [
        _add_fixed,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_values,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if json else _console(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for noisy in ("urllib3", "asyncio", "httpx", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """The default hook prints exceptions as they are, the URLs in them included."""
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("uncaught").critical("uncaught", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        logging.getLogger("uncaught").critical(
            "uncaught in thread %s",
            args.thread.name if args.thread else "?",
            exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        )


def bind(**fields: str) -> Mapping[str, Token[Any]]:
    """Add fields to every line of the current task, and of what it starts, until `unbind`."""
    return structlog.contextvars.bind_contextvars(**fields)


def unbind(bound: Mapping[str, Token[Any]]) -> None:
    """Remove what `bind` added, in the same task."""
    structlog.contextvars.reset_contextvars(**bound)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger named after its module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


configure_minimal()
