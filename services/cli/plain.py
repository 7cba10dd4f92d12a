"""Records of the client as JSON has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from hermes.client.watches import Condition, Form
from hermes.hours import WeekHours

_NAMED = (*Form.__args__, *Condition.__args__)
"""Kinds of which a field may hold any: the name of the kind stands around its fields."""


def plain(value: Any) -> Any:
    """Dicts, lists and plain values. Times are ISO 8601, hours a text; pictures are left out."""
    if isinstance(value, WeekHours):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        found = {field.name: getattr(value, field.name) for field in fields(value)}
        shown = {name: plain(one) for name, one in found.items() if not isinstance(one, bytes)}
        return {_snake(type(value).__name__): shown} if isinstance(value, _NAMED) else shown
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
