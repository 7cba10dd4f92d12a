"""Watches as JSON: forms and conditions say their kind, hours are a text."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from hermes import client
from hermes.client.watches import Form as ClientForm
from hermes.errors import InvalidInput
from hermes.hours import read_hours

LONGEST_S = 10 * 366 * 86_400.0
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class YesNo(BaseModel):
    """Answered with the probability of yes."""

    model_config = _STRICT
    kind: Literal["yes_no"] = "yes_no"


class Choices(BaseModel):
    """Answered with a probability of each text."""

    model_config = _STRICT
    kind: Literal["choices"]
    texts: list[str]


class Number(BaseModel):
    """Answered with a number that the model writes."""

    model_config = _STRICT
    kind: Literal["number"]
    least: float | None = None
    most: float | None = None
    decimals: int = Field(0, ge=0, le=6)


class Diary(BaseModel):
    """A note in free text, each time the interval is over."""

    model_config = _STRICT
    kind: Literal["diary"]
    interval_s: Seconds
    max_tokens: int = Field(0, ge=0, lt=2**32)


class Above(BaseModel):
    """The value is at least this."""

    model_config = _STRICT
    kind: Literal["above"]
    value: float
    clear: float | None = None


class Below(BaseModel):
    """The value is at most this."""

    model_config = _STRICT
    kind: Literal["below"]
    value: float
    clear: float | None = None


class Equals(BaseModel):
    """The likeliest choice is one of these."""

    model_config = _STRICT
    kind: Literal["equals"]
    choices: list[str]
    probability: float = 0.0
    clear: float | None = None


class Changes(BaseModel):
    """The likeliest choice is another than before."""

    model_config = _STRICT
    kind: Literal["changes"]
    probability: float = 0.0


class Rate(BaseModel):
    """The number grows, or falls if negative, at least this fast."""

    model_config = _STRICT
    kind: Literal["rate"]
    per_minute: float
    window_s: Seconds = 0.0


Form = Annotated[YesNo | Choices | Number | Diary, Field(discriminator="kind")]
Condition = Annotated[Above | Below | Equals | Changes | Rate, Field(discriminator="kind")]

_OURS: dict[type[Any], type[BaseModel]] = {
    getattr(client, kind.__name__): kind
    for kind in (YesNo, Choices, Number, Diary, Above, Below, Equals, Changes, Rate)
}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}


class Trigger(BaseModel):
    """When an event opens and closes."""

    model_config = _STRICT
    condition: Condition
    hold_s: Seconds = Field(0.0, description="The condition must hold for so long")
    cooldown_s: Seconds = Field(0.0, description="The camera sends no other event for so long")
    cooldown_overall_s: Seconds = Field(0.0, description="No camera sends one for so long")
    gap: Literal["hold", "close"] = "hold"

    def trigger(self) -> client.Trigger:
        """As the client takes it."""
        return client.Trigger(
            _theirs(self.condition),
            self.hold_s,
            self.cooldown_s,
            self.cooldown_overall_s,
            self.gap,
        )

    @classmethod
    def of(cls, trigger: client.Trigger) -> Self:
        """Of the client's."""
        return cls(
            condition=_ours(trigger.condition),
            hold_s=trigger.hold_s,
            cooldown_s=trigger.cooldown_s,
            cooldown_overall_s=trigger.cooldown_overall_s,
            gap=trigger.gap,
        )


class WatchFields(BaseModel):
    """What can be changed of a watch; in a change, what is given alone."""

    model_config = _STRICT

    text: str = Field("", description="The question", examples=["Is the door open?"])
    camera_ids: list[str] = Field([], description="Its cameras, or ...")
    selector: str = Field("", description="... the labels that they have: site=dock")
    form: Form = YesNo()
    trigger: Trigger | None = None
    severity: Literal["info", "warning", "critical"] = "warning"
    labels: dict[str, str] = Field({}, description="Every event carries them")
    hours: str | None = Field(None, examples=["Mon-Fri 08:00-18:00 Europe/Berlin"])
    paused: bool = False
    sinks: list[str] = Field([], description="Of the notifier; none: all")
    every_s: Seconds = Field(0.0, description="Asked at most this often")
    heartbeat_s: Seconds = Field(0.0, description="Asked at least this often; 0: the default")
    display_name: str = ""

    def changes(self) -> dict[str, Any]:
        """The fields that are given, as the client takes them. Raises `InvalidInput`."""
        return {name: self._value(name) for name in WatchFields.model_fields if name in self._set()}

    def _set(self) -> set[str]:
        return self.model_fields_set

    def _value(self, name: str) -> Any:
        value = getattr(self, name)
        if name == "hours":
            return None if value is None else read_hours(value, "watch.hours")
        if name == "trigger":
            return None if value is None else value.trigger()
        if name == "form":
            return _theirs(value)
        return tuple(value) if isinstance(value, list) else value


class WatchInput(WatchFields):
    """A watch: a standing question."""

    id: str = Field(examples=["door"])

    def watch(self) -> client.Watch:
        """As the client takes it. Raises `InvalidInput`."""
        if not self.text:
            raise InvalidInput("watch.text", "is missing: what is asked?")
        return client.Watch(self.id, **self.changes())


class WatchRecord(WatchInput):
    """A watch as it is now. `message`: what it waits for, or what is wrong with it."""

    within: list[str] = []
    created: datetime | None = None
    version: int = 0
    cameras: int = 0
    open_events: int = 0
    message: str = ""

    @classmethod
    def of(cls, state: client.WatchState) -> WatchRecord:
        """Of the client's."""
        watch = state.watch
        same = {
            name: getattr(watch, name)
            for name in (
                *("id", "text", "selector", "severity", "paused", "every_s", "heartbeat_s"),
                *("display_name", "created", "version"),
            )
        }
        return cls.model_construct(
            **same,
            camera_ids=list(watch.camera_ids),
            form=_ours(watch.form),
            trigger=None if watch.trigger is None else Trigger.of(watch.trigger),
            labels=dict(watch.labels),
            hours=None if watch.hours is None else str(watch.hours),
            sinks=list(watch.sinks),
            within=list(watch.within),
            cameras=state.cameras,
            open_events=state.open_events,
            message=state.message,
        )


def _theirs(ours: Any) -> Any:
    given = ours.model_dump(exclude={"kind"})
    return _THEIRS[type(ours)](
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
    )


def _ours(theirs: ClientForm | client.watches.Condition) -> Any:
    kind = _OURS[type(theirs)]
    given = {name: getattr(theirs, name) for name in kind.model_fields if name != "kind"}
    return kind.model_construct(kind=kind.model_fields["kind"].annotation.__args__[0], **given)  # type: ignore[union-attr]
