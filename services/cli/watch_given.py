"""What a person says about a watch, on the command line or in hermes.yaml, as a watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hermes.client import (
    Above,
    Below,
    Changes,
    Choices,
    Diary,
    Equals,
    Number,
    Rate,
    Trigger,
    Watch,
    YesNo,
)
from hermes.client.watches import Condition, Form
from hermes.durations import read_duration
from hermes.errors import InvalidInput
from hermes.hours import read_hours
from hermes.selector import Selector

DEFAULT_ABOVE = 0.8
"""Of a yes/no watch, if nothing is said."""
ALWAYS = "always"
"""Hours that take hours away."""

Named = Callable[[str], str]
"""How a field is called where the person wrote it: `--for`, or `for`."""


@dataclass(frozen=True, slots=True)
class Given:
    """Values by the names that people use. None: not said. Durations and hours are texts."""

    question: str | None = None
    camera: tuple[str, ...] | None = None
    label: tuple[str, ...] | None = None
    yes_no: bool | None = None
    choices: tuple[str, ...] | None = None
    number: bool | None = None
    least: float | None = None
    most: float | None = None
    decimals: int | None = None
    diary: str | None = None
    max_tokens: int | None = None
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    equals: tuple[str, ...] | None = None
    changes: bool | None = None
    probability: float | None = None
    rate: float | None = None
    window: str | None = None
    hold: str | None = None
    cooldown: str | None = None
    cooldown_overall: str | None = None
    gap: str | None = None
    severity: str | None = None
    labels: Mapping[str, str] | None = None
    hours: str | None = None
    every: str | None = None
    heartbeat: str | None = None
    sink: tuple[str, ...] | None = None
    display_name: str | None = None
    paused: bool | None = None

    @property
    def said(self) -> list[str]:
        """The names of the fields that are said."""
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]


_FORMS = ("yes_no", "choices", "number", "diary")
_CONDITIONS = ("above", "below", "equals", "changes", "rate")
_OF_NUMBERS = ("least", "most", "decimals")
_OF_TRIGGERS = (
    *("clear", "probability", "window", "hold", "cooldown", "cooldown_overall", "gap"),
    *_CONDITIONS,
)


def build(before: Watch, given: Given, named: Named) -> Watch:
    """The watch with what is said. Raises `InvalidInput` naming what makes no sense."""
    form = _form(before.form, given, named)
    changes: dict[str, Any] = {"form": form, "trigger": _trigger(before, form, given, named)}
    plain = {"question": "text", "sink": "sinks"}
    for name in ("question", "severity", "labels", "sink", "display_name", "paused"):
        if (value := getattr(given, name)) is not None:
            changes[plain.get(name, name)] = value
    for name in ("every", "heartbeat"):
        if (text := getattr(given, name)) is not None:
            changes[f"{name}_s"] = read_duration(text, named(name))
    if given.hours is not None:
        always = given.hours.strip() in ("", ALWAYS)
        changes["hours"] = None if always else read_hours(given.hours, named("hours"))
    return replace(before, **changes, **_cameras(given, named))


def _cameras(given: Given, named: Named) -> dict[str, Any]:
    if given.camera and given.label:
        raise InvalidInput(named("camera"), f"goes without {named('label')}: use one of them")
    if given.camera:
        return {"camera_ids": given.camera, "selector": ""}
    if given.label:
        for text in given.label:
            Selector.parse(text, named("label"))
        selector = ",".join(text for text in map(str.strip, given.label) if text)
        return {"camera_ids": (), "selector": selector}
    return {}


def _form(before: Form, given: Given, named: Named) -> Form:
    said = [name for name in _FORMS if getattr(given, name) not in (None, False)]
    of_number = [name for name in _OF_NUMBERS if getattr(given, name) is not None]
    if of_number and "number" not in said and not isinstance(before, Number):
        said.append("number")
    _at_most_one(said, named)
    form = said[0] if said else ""
    if form == "yes_no":
        return YesNo()
    if form == "choices":
        return Choices(given.choices or ())
    if form == "diary":
        interval_s = read_duration(given.diary or "", named("diary"))
        return Diary(interval_s, given.max_tokens or 0)
    if form == "number" or of_number:
        number = before if isinstance(before, Number) else Number()
        return replace(number, **{name: getattr(given, name) for name in of_number})
    if given.max_tokens is not None:
        if not isinstance(before, Diary):
            raise InvalidInput(named("max_tokens"), "is for a diary alone")
        return replace(before, max_tokens=given.max_tokens)
    return before


def _trigger(before: Watch, form: Form, given: Given, named: Named) -> Trigger | None:
    if isinstance(form, Diary):
        for name in _OF_TRIGGERS:
            if getattr(given, name) not in (None, False):
                raise InvalidInput(named(name), "is not for a diary, which only writes notes")
        return None
    condition = _condition(before, form, given, named)
    if condition is None:
        return None  # what is missing is said by the rules of watches
    trigger = replace(before.trigger or Trigger(condition), condition=condition)
    changes: dict[str, Any] = {}
    for name in ("hold", "cooldown", "cooldown_overall"):
        if (text := getattr(given, name)) is not None:
            changes[f"{name}_s"] = read_duration(text, named(name))
    if given.gap is not None:
        changes["gap"] = given.gap
    return replace(trigger, **changes)


def _condition(before: Watch, form: Form, given: Given, named: Named) -> Condition | None:
    said = [name for name in _CONDITIONS if getattr(given, name) not in (None, False)]
    _at_most_one(said, named)
    condition = before.trigger.condition if before.trigger is not None else None
    if said:
        condition = _said_condition(said[0], given)
    elif condition is None and isinstance(form, YesNo):
        condition = Above(DEFAULT_ABOVE)
    fitting: dict[str, tuple[type, ...]] = {
        "clear": (Above, Below, Equals),
        "probability": (Equals, Changes),
        "window": (Rate,),
    }
    for name, kinds in fitting.items():
        value = getattr(given, name)
        if value is None:
            continue
        if condition is None or not isinstance(condition, kinds):
            raise InvalidInput(named(name), f"goes with {_listed(kinds, named)}")
        if isinstance(condition, Rate):
            condition = replace(condition, window_s=read_duration(value, named(name)))
        else:
            condition = replace(condition, **{name: value})
    return condition


def _said_condition(name: str, given: Given) -> Condition:
    if name == "above":
        return Above(given.above or 0.0)
    if name == "below":
        return Below(given.below or 0.0)
    if name == "equals":
        return Equals(given.equals or ())
    if name == "changes":
        return Changes()
    return Rate(given.rate or 0.0)


def _listed(kinds: tuple[type, ...], named: Named) -> str:
    return " or ".join(named(kind.__name__.lower()) for kind in kinds)


def _at_most_one(said: list[str], named: Named) -> None:
    if len(said) > 1:
        raise InvalidInput(named(said[0]), f"goes without {named(said[1])}: use one of them")
