"""What was logged, line by line, with logging put back to what it was."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import structlog

from services.common import logs


class Stderr:
    """What was written to standard error, so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@contextmanager
def logging_to(capsys: pytest.CaptureFixture[str]) -> Iterator[Stderr]:
    """`logs.configure` may be called inside. Loggers of modules forget it afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook
    configure = structlog.configure

    def uncached(**told: Any) -> None:
        configure(**{**told, "cache_logger_on_first_use": False})

    try:
        with patch.object(structlog, "configure", uncached):
            yield Stderr(capsys)
    finally:
        logs.configure_minimal()
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook = hooks
        root.handlers = handlers
        root.setLevel(level)


def lines(stderr: Stderr) -> list[dict[str, Any]]:
    """Lines of JSON."""
    return [json.loads(line) for line in stderr.getvalue().splitlines()]
