"""The flags by which commands describe a watch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from hermes.labels import read_changes
from services.cli.watch_given import Given

OF_CAMERAS, OF_FORM, OF_TRIGGER, OF_REST = (
    "Cameras",
    "How it is answered",
    "When an event opens and closes",
    "Everything else",
)


class GapChoice(StrEnum):
    """What a gap in the stream means to an open event."""

    hold = "hold"
    close = "close"


class SeverityChoice(StrEnum):
    """How grave an event is."""

    info = "info"
    warning = "warning"
    critical = "critical"


def _option(panel: str, *names: str, help: str) -> Any:
    return typer.Option(*names, help=help, show_default=False, rich_help_panel=panel)


FLAGS: dict[str, Any] = {
    "camera": Annotated[
        list[str] | None, _option(OF_CAMERAS, "--camera", "-c", help="Id; repeatable.")
    ],
    "label": Annotated[
        list[str] | None,
        _option(
            OF_CAMERAS,
            "--label",
            "-l",
            help="Cameras with such labels: 'area=ward', 'floor in (1, 2)'; repeatable, means and.",
        ),
    ],
    "yes_no": Annotated[
        bool | None, _option(OF_FORM, "--yes-no", help="The probability of yes. The default.")
    ],
    "choices": Annotated[
        str | None, _option(OF_FORM, help="One of these, separated by commas: open,shut,ajar.")
    ],
    "number": Annotated[bool | None, _option(OF_FORM, "--number", help="A number.")],
    "least": Annotated[float | None, _option(OF_FORM, help="The least number.")],
    "most": Annotated[float | None, _option(OF_FORM, help="The largest number.")],
    "decimals": Annotated[int | None, _option(OF_FORM, help="Digits after the point; 0 to 6.")],
    "diary": Annotated[
        str | None, _option(OF_FORM, help="A note in free text, this often: 10m. Has no trigger.")
    ],
    "max_tokens": Annotated[int | None, _option(OF_FORM, help="Tokens of the longest note.")],
    "above": Annotated[
        float | None, _option(OF_TRIGGER, help="Open at this value or more. yes/no: 0.8.")
    ],
    "below": Annotated[float | None, _option(OF_TRIGGER, help="Open at this value or less.")],
    "clear": Annotated[
        float | None, _option(OF_TRIGGER, help="Close only once the value is back at this.")
    ],
    "equals": Annotated[
        list[str] | None,
        _option(OF_TRIGGER, help="Open when the answer is this choice; repeatable."),
    ],
    "changes": Annotated[
        bool | None, _option(OF_TRIGGER, "--changes", help="An event for each other choice.")
    ],
    "probability": Annotated[
        float | None, _option(OF_TRIGGER, help="Least probability of the choice. 0.5.")
    ],
    "rate": Annotated[
        float | None,
        _option(OF_TRIGGER, help="Open when the number grows by this a minute; falls, if < 0."),
    ],
    "window": Annotated[
        str | None, _option(OF_TRIGGER, help="Measure the rate over this long. 1m.")
    ],
    "hold": Annotated[
        str | None, _option(OF_TRIGGER, "--for", help="It must hold for this long: 5s.")
    ],
    "cooldown": Annotated[
        str | None,
        _option(OF_TRIGGER, help="After an event, none of the same camera for this long: 2m."),
    ],
    "cooldown_overall": Annotated[
        str | None, _option(OF_TRIGGER, help="After an event, none of any camera for this long.")
    ],
    "gap": Annotated[
        GapChoice | None,
        _option(OF_TRIGGER, help="A gap in the stream: hold (goes on) or close (ends the event)."),
    ],
    "severity": Annotated[SeverityChoice | None, _option(OF_REST, help="warning if not given.")],
    "watch_label": Annotated[
        list[str] | None,
        _option(OF_REST, help="KEY=VALUE that every event carries, KEY- to remove; repeatable."),
    ],
    "hours": Annotated[
        str | None,
        _option(OF_REST, help="Ask only then: 'Mon-Fri 08:00-18:00 Europe/Berlin', or always."),
    ],
    "every": Annotated[
        str | None, _option(OF_REST, help="Ask at most this often. 0: after every change.")
    ],
    "heartbeat": Annotated[
        str | None, _option(OF_REST, help="Ask at least this often, changed or not.")
    ],
    "sink": Annotated[
        list[str] | None,
        _option(OF_REST, help="Sink of the notifier that events go to; repeatable. All."),
    ],
    "display_name": Annotated[str | None, _option(OF_REST, help="What people call the watch.")],
}
"""By parameter name."""


def flag(name: str) -> str:
    """How a field is called on the command line."""
    special = {"hold": "--for", "labels": "--watch-label"}
    return special.get(name, f"--{name.replace('_', '-')}")


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `flags` is given as the flags of `FLAGS`."""

    @wraps(command)
    def wrapper(**values: Any) -> None:
        flags = {name: values.pop(name) for name in FLAGS}
        command(flags=flags, **values)

    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.name != "flags"]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in FLAGS.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + shared
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapper


def given_of(
    flags: dict[str, Any], *, question: str | None = None, labels: dict[str, str] | None = None
) -> Given:
    """What the flags say. `labels`: those that the watch has. Raises `InvalidInput`."""
    values = dict(flags)
    changes = values.pop("watch_label")
    if changes:
        put, removed = read_changes(changes, flag("labels"))
        kept = {key: value for key, value in (labels or {}).items() if key not in removed}
        values["labels"] = kept | put
    if values["choices"] is not None:
        values["choices"] = tuple(map(str.strip, values["choices"].split(",")))
    for name in ("camera", "label", "equals", "sink"):
        values[name] = tuple(values[name]) if values[name] else None
    for name in ("gap", "severity"):
        values[name] = None if values[name] is None else values[name].value
    return Given(question=question, **values)
