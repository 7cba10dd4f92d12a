"""The compose files as they are with nothing set, or with some variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.dockerfile import ROOT

FOLDER = ROOT / "deploy" / "compose"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def services(
    *overrides: str, variables: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Services by name, with environments and build arguments of the overrides on top."""
    given = variables or {}
    found: dict[str, dict[str, Any]] = {}
    for file in ("compose.yaml", *overrides):
        text = (FOLDER / file).read_text()
        filled = _VARIABLE.sub(lambda match: given.get(match[1]) or match[2], text)
        for name, service in yaml.safe_load(filled)["services"].items():
            found[name] = _merged(found.get(name, {}), service)
    return found


def mounts(service: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Source, target, and whether it may be written to, of each volume."""
    found = []
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        found.append((source, target, mode != ["ro"]))
    return found


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, dict):
        return under | {key: _merged(under.get(key), value) for key, value in over.items()}
    return over
