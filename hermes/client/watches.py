"""Watches as the client gives and returns them: frozen records with plain Python values.

    fall = Watch(
        "fall",
        "Is anybody lying on the floor?",
        selector="area=ward",
        trigger=Trigger(Above(0.8), hold_s=5, cooldown_s=120),
        severity="critical",
    )
    client.create_watch(fall)

Durations are seconds, hours are `hermes.hours.WeekHours`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from hermes.hours import WeekHours

SeverityWord = Literal["info", "warning", "critical"]
GapWord = Literal["hold", "close"]


@dataclass(frozen=True, slots=True)
class YesNo:
    """Answered with the probability of yes."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Answered with a probability of each text."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """Answered with a number that the model writes. None: unbounded."""

    least: float | None = None
    most: float | None = None
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Diary:
    """A note in free text, each time the interval is over. `max_tokens` 0: the default."""

    interval_s: float
    max_tokens: int = 0


Form = YesNo | Choices | Number | Diary


@dataclass(frozen=True, slots=True)
class Above:
    """The value is at least this. `clear`: an event closes at most at it; None: the default."""

    value: float
    clear: float | None = None


@dataclass(frozen=True, slots=True)
class Below:
    """The value is at most this. `clear`: an event closes at least at it; None: the default."""

    value: float
    clear: float | None = None


@dataclass(frozen=True, slots=True)
class Equals:
    """The likeliest choice is one of these. `probability`: of them together; 0: the default."""

    choices: tuple[str, ...]
    probability: float = 0.0
    clear: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """The likeliest choice is another than before."""

    probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """The number grows, or falls if negative, at least this fast. `window_s` 0: a minute."""

    per_minute: float
    window_s: float = 0.0


Condition = Above | Below | Equals | Changes | Rate


@dataclass(frozen=True, slots=True)
class Trigger:
    """When an event opens and closes.

    `hold_s`: the condition must hold for so long. `cooldown_s`, `cooldown_overall_s`:
    after an event, the same camera, or all of them, send none for so long. `gap`:
    whether a gap in the stream changes nothing (`hold`) or closes the event.
    """

    condition: Condition
    hold_s: float = 0.0
    cooldown_s: float = 0.0
    cooldown_overall_s: float = 0.0
    gap: GapWord = "hold"


@dataclass(frozen=True, slots=True)
class Watch:
    """A standing question. Either `camera_ids` or `selector` says of which cameras.

    `labels`: every event carries them. `every_s`: asked at most this often; 0: after
    every frame that changed something. `heartbeat_s`: asked at least this often; 0:
    the deployment's default. `sinks`: of the notifier; none: all. The last three are
    set by the gateway.
    """

    id: str
    text: str
    camera_ids: tuple[str, ...] = ()
    selector: str = ""
    form: Form = YesNo()
    trigger: Trigger | None = None
    severity: SeverityWord = "warning"
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    hours: WeekHours | None = None
    paused: bool = False
    sinks: tuple[str, ...] = ()
    every_s: float = 0.0
    heartbeat_s: float = 0.0
    display_name: str = ""
    within: tuple[str, ...] = ()
    created: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class WatchState:
    """A watch as it is now. `message`: what it waits for, or what is wrong with it."""

    watch: Watch
    cameras: int
    open_events: int
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation found. `holds`: whether the condition holds, at this moment alone."""

    captured: datetime | None
    value: float
    choices: tuple[tuple[str, float], ...]
    answer: str
    holds: bool
