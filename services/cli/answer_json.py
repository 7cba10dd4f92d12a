"""Records of the client as values that JSON has."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any


def plain_values(record: Any) -> Any:
    """A record's fields: times as ISO 8601, without pictures."""
    return _plain(asdict(record))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not isinstance(item, bytes)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
