"""What a watch may be: the rules that its description must meet, wherever it comes from."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Sequence

from google.protobuf.duration_pb2 import Duration

from hermes import limits, question
from hermes.errors import InvalidInput
from hermes.hours import DaySpan, WeekHours
from hermes.labels import check_display_name, check_labels, shown
from hermes.selector import Selector
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Severity
from hermes.v1.watch_pb2 import GapRule, Hours, Number, OneOf, Threshold, Trigger, Watch
from services.common.cameras import ID_PATTERN, check_id

MAX_TEXT_CHARS = 4096
MAX_CAMERA_IDS = 256
MAX_SINKS = 16
MAX_DECIMALS = 6
DAY_S = 86_400.0
MAX_COOLDOWN_S = 7 * DAY_S
LEAST_DIARY_S = 10.0
LEAST_PACE_S = 0.1
"""The shortest `every`, `heartbeat` and `window` that are not zero."""

FORMS = {"yes_no": "a yes/no watch", "choices": "choices", "number": "a number"}
FITS = {
    "above": ("yes_no", "number"),
    "below": ("yes_no", "number"),
    "equals": ("choices",),
    "changes": ("choices",),
    "rate": ("number",),
}
"""The forms that each condition is for."""


def check_watch(
    watch: Watch,
    max_text_chars: int = MAX_TEXT_CHARS,
    max_tokens: int = limits.MAX_ANSWER_TOKENS.default,
) -> Watch:
    """The watch, if it can be taken as described. Raises `InvalidInput` naming the field."""
    check_id(watch.id, "watch.id")
    check_display_name(watch.display_name, "watch.display_name")
    _check_text(watch.text, max_text_chars)
    _check_cameras(watch)
    _check_form(watch, max_tokens)
    _check_trigger(watch)
    if watch.severity not in Severity.values():
        raise InvalidInput("watch.severity", "is not a known severity")
    check_labels(watch.labels, "watch.labels")
    if watch.HasField("hours"):
        hours_of(watch.hours)
    _check_sinks(watch.sinks)
    every = _pace(watch.every, "watch.every")
    heartbeat = _pace(watch.heartbeat, "watch.heartbeat")
    if heartbeat and heartbeat < every:
        raise InvalidInput(
            "watch.heartbeat", "is shorter than `every`, which is the shortest pause"
        )
    return watch


def hours_of(hours: Hours, field: str = "watch.hours") -> WeekHours:
    """Hours as a value. Raises `InvalidInput`."""
    spans = tuple(
        DaySpan(frozenset(span.days), span.start_minute, span.end_minute) for span in hours.spans
    )
    try:
        return WeekHours(hours.time_zone, spans)
    except InvalidInput as error:
        raise InvalidInput(field + error.field.removeprefix("hours"), error.message) from None


def covers(watch: Watch, camera: Camera) -> bool:
    """Whether the watch means this camera now."""
    if watch.within and not any(_is_in(camera.id, pattern) for pattern in watch.within):
        return False
    if watch.cameras.camera_ids:
        return camera.id in watch.cameras.camera_ids
    if not watch.cameras.labels:
        return False
    return _selector(watch.cameras.labels).matches(camera.labels)


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


@functools.lru_cache(maxsize=4096)
def _selector(labels: str) -> Selector:
    """Workers ask many times a second which cameras a watch means."""
    return Selector.parse(labels)


def _is_in(camera_id: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return camera_id.startswith(pattern[:-1])
    return camera_id == pattern


def _check_text(text: str, most: int) -> None:
    if not text.strip():
        raise InvalidInput("watch.text", "is empty; write the question")
    if len(text) > most:
        raise InvalidInput("watch.text", f"has {len(text)} characters; at most {most} are allowed")


def _check_cameras(watch: Watch) -> None:
    ids, labels = watch.cameras.camera_ids, watch.cameras.labels
    if bool(ids) == bool(labels.strip()):
        what = "names cameras by id and by label; use one of them" if ids else "names no camera"
        raise InvalidInput("watch.cameras", what)
    if len(ids) > MAX_CAMERA_IDS:
        raise InvalidInput(
            "watch.cameras.camera_ids", f"has {len(ids)} ids; {MAX_CAMERA_IDS} are allowed"
        )
    for camera_id in ids:
        check_id(camera_id, "watch.cameras.camera_ids")
    _check_distinct(ids, "watch.cameras.camera_ids")
    Selector.parse(labels, "watch.cameras.labels")


def _check_form(watch: Watch, max_tokens: int) -> None:
    form = watch.WhichOneof("form")
    if form is None:
        raise InvalidInput("watch", "has no form: give yes_no, choices, number or diary")
    if form == "choices":
        try:
            question.Choices(tuple(watch.choices.texts))
        except InvalidInput as error:
            raise InvalidInput("watch.choices", error.message) from None
    elif form == "number":
        _check_number(watch.number)
    elif form == "diary":
        interval = _duration(watch.diary.interval, "watch.diary.interval", DAY_S)
        if interval < LEAST_DIARY_S:
            raise InvalidInput("watch.diary.interval", f"must be at least {LEAST_DIARY_S:g} s")
        if watch.diary.max_tokens > max_tokens:
            raise InvalidInput("watch.diary.max_tokens", f"at most {max_tokens} are allowed")


def _check_number(number: Number) -> None:
    for name in ("least", "most"):
        if not math.isfinite(getattr(number, name)):
            raise InvalidInput(f"watch.number.{name}", "must be a finite number")
    if number.HasField("least") and number.HasField("most") and number.least >= number.most:
        raise InvalidInput("watch.number.most", "must be more than `least`")
    if number.decimals > MAX_DECIMALS:
        raise InvalidInput("watch.number.decimals", f"must be 0 to {MAX_DECIMALS}")


def _check_trigger(watch: Watch) -> None:
    form, trigger = watch.WhichOneof("form"), watch.trigger
    if form == "diary":
        if watch.HasField("trigger"):
            raise InvalidInput("watch.trigger", "a diary has none: it writes a note each interval")
        return
    condition = trigger.WhichOneof("condition")
    fitting = [name for name, forms in FITS.items() if form in forms]
    if condition is None:
        raise InvalidInput("watch.trigger", f"has no condition: give {' or '.join(fitting)}")
    if condition not in fitting:
        raise InvalidInput(
            f"watch.trigger.{condition}",
            f"is not for {FORMS[str(form)]}; use {' or '.join(fitting)}",
        )
    if condition in ("above", "below"):
        _check_threshold(watch, condition, getattr(trigger, condition))
    elif condition == "equals":
        _check_equals(trigger.equals, watch.choices.texts)
    elif condition == "changes":
        _check_probability(trigger.changes.probability, "watch.trigger.changes.probability")
    else:
        _check_rate(trigger)
    _duration(trigger.hold, "watch.trigger.hold", DAY_S)
    _duration(trigger.cooldown, "watch.trigger.cooldown", MAX_COOLDOWN_S)
    _duration(trigger.cooldown_overall, "watch.trigger.cooldown_overall", MAX_COOLDOWN_S)
    if trigger.gap not in GapRule.values():
        raise InvalidInput("watch.trigger.gap", "is not known: use HOLD or CLOSE")


def _check_threshold(watch: Watch, condition: str, threshold: Threshold) -> None:
    field = f"watch.trigger.{condition}"
    check: Callable[[float, str], None] = _check_probability
    if watch.WhichOneof("form") == "number":
        check = _within(watch.number)
    check(threshold.value, f"{field}.value")
    if not threshold.HasField("clear"):
        return
    check(threshold.clear, f"{field}.clear")
    if condition == "above" and threshold.clear > threshold.value:
        raise InvalidInput(f"{field}.clear", "must not be above the value that opens an event")
    if condition == "below" and threshold.clear < threshold.value:
        raise InvalidInput(f"{field}.clear", "must not be below the value that opens an event")


def _within(number: Number) -> Callable[[float, str], None]:
    def check(value: float, field: str) -> None:
        if not math.isfinite(value):
            raise InvalidInput(field, "must be a finite number")
        if number.HasField("least") and value < number.least:
            raise InvalidInput(field, f"is less than the least number, {number.least:g}")
        if number.HasField("most") and value > number.most:
            raise InvalidInput(field, f"is more than the most, {number.most:g}")

    return check


def _check_equals(equals: OneOf, texts: Sequence[str]) -> None:
    field = "watch.trigger.equals"
    if not equals.choices:
        raise InvalidInput(f"{field}.choices", "names no choice")
    for choice in equals.choices:
        if choice not in texts:
            raise InvalidInput(f"{field}.choices", f"{shown(choice)} is none of the choices")
    _check_distinct(equals.choices, f"{field}.choices")
    if len(equals.choices) == len(texts):
        raise InvalidInput(f"{field}.choices", "names all choices, so that it always holds")
    _check_probability(equals.probability, f"{field}.probability")
    if equals.HasField("clear"):
        _check_probability(equals.clear, f"{field}.clear")
        if equals.clear > (equals.probability or 0.5):
            raise InvalidInput(f"{field}.clear", "must not be above the probability")


def _check_rate(trigger: Trigger) -> None:
    if not math.isfinite(trigger.rate.per_minute) or trigger.rate.per_minute == 0:
        raise InvalidInput("watch.trigger.rate.per_minute", "must be a finite number, not 0")
    _pace(trigger.rate.window, "watch.trigger.rate.window")


def _check_probability(value: float, field: str) -> None:
    if not 0 <= value <= 1:  # refuses NaN as well
        raise InvalidInput(field, "must be a probability, from 0 to 1")


def _check_sinks(sinks: Sequence[str]) -> None:
    if len(sinks) > MAX_SINKS:
        raise InvalidInput("watch.sinks", f"has {len(sinks)} names; {MAX_SINKS} are allowed")
    for name in sinks:
        if not ID_PATTERN.fullmatch(name):
            raise InvalidInput("watch.sinks", f"{shown(name)} is no name of a sink")
    _check_distinct(sinks, "watch.sinks")


def _check_distinct(texts: Collection[str], field: str) -> None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            raise InvalidInput(field, f"{shown(text)} is there twice")
        seen.add(text)


def _pace(duration: Duration, field: str) -> float:
    found = _duration(duration, field, DAY_S)
    if 0 < found < LEAST_PACE_S:
        raise InvalidInput(field, f"must be 0 or at least {LEAST_PACE_S:g} s")
    return found


def _duration(duration: Duration, field: str, most_s: float) -> float:
    found = seconds(duration)
    if not 0 <= found <= most_s or not 0 <= duration.nanos < 10**9:
        raise InvalidInput(field, f"must be from 0 to {most_s / DAY_S:g} d")
    return found
