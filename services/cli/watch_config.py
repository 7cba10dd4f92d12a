"""Watches in hermes.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hermes.client import Watch
from hermes.client.watch_messages import watch_message
from hermes.errors import InvalidInput
from hermes.labels import key_fault, value_fault
from services.cli.watch_given import Given, build
from services.common.cameras import ID_PATTERN
from services.common.watch_rules import check_watch


def _text(value: Any) -> Any:
    """YAML reads 5 as a number and `on` as true: what was written is not known any more."""
    if not isinstance(value, str):
        raise ValueError('is no text: write it in quotes, like "5s"')
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _label_key(key: Any) -> Any:
    fault = key_fault(key) if isinstance(key, str) else "the key is no text: write it in quotes"
    if fault is not None:
        raise ValueError(fault)
    return key


def _label_value(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('the value is no text: write it in quotes, like "2"')
    if (fault := value_fault(value)) is not None:
        raise ValueError(fault)
    return value


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[Text], BeforeValidator(_listed)]
Labels = dict[
    Annotated[str, BeforeValidator(_label_key)], Annotated[str, BeforeValidator(_label_value)]
]

_KEYS = {
    "text": "question",
    "hold": "for",
    "interval": "diary",
    "texts": "choices",
}
"""What a field of the API is called in the file, where the names differ."""


class NumberConfig(BaseModel):
    """The bounds of a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    least: float | None = None
    most: float | None = None
    decimals: int = Field(0, ge=0, le=6)


class WatchConfig(BaseModel):
    """One watch. Its keys are the flags of `hermes watch add`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )

    id: str = Field(min_length=1, max_length=64, pattern=rf"^{ID_PATTERN.pattern}$")
    question: Text
    cameras: Texts | None = None
    label: Texts | None = None
    yes_no: Literal[True] | None = None
    choices: list[Text] | None = None
    number: Literal[True] | NumberConfig | None = None
    diary: Text | None = None
    max_tokens: int | None = Field(None, ge=0)
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    equals: Texts | None = None
    changes: Literal[True] | None = None
    probability: float | None = None
    rate: float | None = None
    window: Text | None = None
    hold: Text | None = Field(None, alias="for")
    cooldown: Text | None = None
    cooldown_overall: Text | None = None
    gap: Literal["hold", "close"] | None = None
    severity: Literal["info", "warning", "critical"] | None = None
    labels: Labels | None = None
    hours: Text | None = None
    every: Text | None = None
    heartbeat: Text | None = None
    sinks: Texts | None = None
    display_name: Text | None = None
    paused: bool | None = None

    def watch(self) -> Watch:
        """As the client takes it. Raises `InvalidInput`; `field` is a key of this watch."""
        bounds = self.number if isinstance(self.number, NumberConfig) else None
        given = Given(
            camera=_tuple(self.cameras),
            label=_tuple(self.label),
            yes_no=self.yes_no,
            choices=_tuple(self.choices),
            number=None if self.number is None else True,
            least=None if bounds is None else bounds.least,
            most=None if bounds is None else bounds.most,
            decimals=None if bounds is None else bounds.decimals,
            equals=_tuple(self.equals),
            sink=_tuple(self.sinks),
            **{name: getattr(self, name) for name in _SAME},
        )
        watch = build(Watch(self.id, self.question), given, _key)
        try:
            check_watch(watch_message(watch))
        except InvalidInput as error:
            raise InvalidInput(_key_of(error.field), error.message) from None
        return watch


_SAME = (
    *("diary", "max_tokens", "above", "below", "clear", "changes", "probability", "rate"),
    *("window", "hold", "cooldown", "cooldown_overall", "gap", "severity", "labels", "hours"),
    *("every", "heartbeat", "display_name", "paused"),
)
"""Fields that are called the same in `Given`."""


def _key(name: str) -> str:
    """What a field of `Given` is called in the file."""
    return {"hold": "for", "camera": "cameras", "sink": "sinks"}.get(name, name)


def _key_of(field: str) -> str:
    """The key that a fault of the whole watch is about: `watch.trigger.hold` -> `for`."""
    known = {info.alias or name for name, info in WatchConfig.model_fields.items()}
    if field.startswith("watch.cameras"):
        return "label" if field.endswith(".labels") else "cameras"
    if field.startswith("watch.trigger."):
        known.remove("choices")  # those that `equals` names
    for part in reversed(field.split(".")):
        if (key := _KEYS.get(part, part)) in known:
            return key
    return "id"


def _tuple(texts: list[str] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts)
