"""The shipped rules in less time: a session of minutes in place of one of hours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.monitoring import PROMETHEUS, read

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"(\d+)(ms|[smhd])")
IN_EXPRESSION = re.compile(r"(?<=\[)[^]]+(?=\])|(?<=\boffset )\w+")
"""The duration in brackets after a selector, or after `offset`."""


def shorter(duration: str, factor: int) -> str:
    """A duration, divided. Raises ValueError if it is none, or if milliseconds would be split."""
    match = DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"not a duration of one unit: {duration!r}")
    ms, rest = divmod(int(match[1]) * UNITS_MS[match[2]], factor)
    if rest:
        raise ValueError(f"{duration} cannot be divided by {factor} without a rest")
    return f"{ms}ms"


def scaled(document: Any, factor: int, bounds: Mapping[str, tuple[str, str]]) -> Any:
    """Groups of rules with every duration divided: `for:`, range selectors and offsets.

    `bounds`: what stands in an alert's expression in place of what, where it is a
    time that a setting has, and the setting was divided as well. Raises ValueError if it
    does not stand there once.
    """

    def rule(given: dict[str, Any]) -> dict[str, Any]:
        expr = IN_EXPRESSION.sub(lambda found: shorter(found[0], factor), given["expr"])
        if change := bounds.get(given.get("alert", "")):
            if expr.count(change[0]) != 1:
                raise ValueError(f"{change[0]!r} does not stand in {expr!r} once")
            expr = expr.replace(*change)
        made = {**given, "expr": expr}
        return made | {"for": shorter(given["for"], factor)} if "for" in given else made

    groups = [{**group, "rules": [*map(rule, group["rules"])]} for group in document["groups"]]
    return {**document, "groups": groups}


def write(folder: Path, factor: int, bounds: Mapping[str, tuple[str, str]]) -> list[str]:
    """Files of the shipped rules, scaled."""
    written = []
    for name in read(PROMETHEUS / "prometheus.yml")["rule_files"]:
        path = folder / Path(name).name
        path.write_text(yaml.safe_dump(scaled(read(PROMETHEUS / name), factor, bounds)))
        written.append(str(path))
    return written
