"""The file of sinks: read and checked, each fault with its line and field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml
from pydantic import ValidationError

from hermes.errors import InvalidInput
from services.common.files import UnusableFile
from services.common.redaction import MASK, redact
from services.common.yaml_marks import Marks, marks_of
from services.notifier.sink_config import (
    AlertmanagerConfig,
    MqttConfig,
    SinksConfig,
    WebhookConfig,
)

OneSink = AlertmanagerConfig | WebhookConfig | MqttConfig

KINDS = tuple(get_args(one.model_fields["kind"].annotation)[0] for one in get_args(OneSink))

Loc = tuple[str | int, ...]


def read_sinks(path: Path) -> tuple[OneSink, ...]:
    """The sinks of a file. Raises `InvalidInput` that names every fault, and shows no secret."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror}") from None
    try:
        raw, marks = yaml.safe_load(data), marks_of(data)
    except Exception as error:  # the parser raises more types than its own YAMLError
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise InvalidInput(str(path), f"is not YAML{where}") from None
    faults = [f"{marks.where(key)}: {_name(key)}: stands twice" for key in marks.repeated]
    try:
        config = SinksConfig.model_validate(raw or {})
    except ValidationError as error:
        faults += [
            _fault(marks, _without_kind(item["loc"]), item["msg"])
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidInput(str(path), "; ".join(faults)) from None
    sinks = tuple(sink.relative_to(path.resolve().parent) for sink in config.sinks)
    faults += _faults_of(sinks, marks)
    if faults:
        raise InvalidInput(str(path), "; ".join(faults))
    return sinks


def _faults_of(sinks: tuple[OneSink, ...], marks: Marks) -> list[str]:
    """Names that stand twice, and files that cannot be used."""
    faults: list[str] = []
    names: set[str] = set()
    if not sinks:
        faults.append(_fault(marks, ("sinks",), "there is none"))
    for index, sink in enumerate(sinks):
        if sink.name in names:
            faults.append(_fault(marks, ("sinks", index, "name"), f"{sink.name} stands twice"))
        names.add(sink.name)
        try:
            sink.check_files()
        except UnusableFile as error:
            faults.append(_fault(marks, ("sinks", index), str(error)))
    return faults


def _without_kind(loc: Loc) -> Loc:
    """Pydantic puts the kind of a sink into the place of its faults."""
    return loc[:2] + loc[3:] if len(loc) > 2 and loc[2] in KINDS else loc


def _fault(marks: Marks, loc: Loc, message: str) -> str:
    return f"{marks.where(loc)}: {_name(loc)}: {redact(message.removeprefix('Value error, '))}"


def _name(loc: Loc) -> str:
    shown = (str(part) if re.fullmatch(r"\w+", str(part)) else MASK for part in loc)
    return ".".join(shown) or "the file"
