"""Watches to and from the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration

from hermes.client.watches import (
    Above,
    Below,
    Changes,
    Choices,
    Condition,
    Diary,
    Equals,
    Evaluation,
    Form,
    Number,
    Rate,
    Trigger,
    Watch,
    WatchState,
    YesNo,
)
from hermes.client.words import seconds_of, word_of
from hermes.errors import InvalidInput
from hermes.hours import DaySpan, WeekHours
from hermes.v1 import event_pb2, query_pb2, watch_pb2

SEVERITIES: dict[str, event_pb2.Severity] = {
    "": event_pb2.SEVERITY_UNSPECIFIED,
    "info": event_pb2.SEVERITY_INFO,
    "warning": event_pb2.SEVERITY_WARNING,
    "critical": event_pb2.SEVERITY_CRITICAL,
}
_GAPS: dict[str, watch_pb2.GapRule] = {
    "hold": watch_pb2.GAP_RULE_HOLD,
    "close": watch_pb2.GAP_RULE_CLOSE,
}

_PATHS = {
    "camera_ids": "cameras",
    "selector": "cameras",
    "every_s": "every",
    "heartbeat_s": "heartbeat",
}
_SET_BY_GATEWAY = frozenset(("within", "created", "version", "id"))
CHANGEABLE = frozenset(field.name for field in fields(Watch)) - _SET_BY_GATEWAY


def watch_message(watch: Watch) -> watch_pb2.Watch:
    """For the wire. Raises `InvalidInput` for what cannot be sent."""
    message = watch_pb2.Watch()
    for name in ("id", "text", "paused", "display_name"):
        _set(message, name, getattr(watch, name))
    message.cameras.CopyFrom(cameras_message(watch.camera_ids, watch.selector, "watch.cameras"))
    _put_form(message, watch.form)
    if watch.trigger is not None:
        message.trigger.CopyFrom(_trigger_message(watch.trigger))
    if watch.severity not in SEVERITIES:
        raise InvalidInput("watch.severity", f"is one of {', '.join(filter(None, SEVERITIES))}")
    message.severity = SEVERITIES[watch.severity]
    message.labels.update(watch.labels)
    if watch.hours is not None:
        message.hours.CopyFrom(_hours_message(watch.hours))
    message.sinks.extend(watch.sinks)
    message.every.CopyFrom(duration_of(watch.every_s, "watch.every"))
    message.heartbeat.CopyFrom(duration_of(watch.heartbeat_s, "watch.heartbeat"))
    return message


def update_message(
    watch_id: str, changes: Mapping[str, Any]
) -> watch_pb2.WatchServiceUpdateRequest:
    """The request of `update_watch`: `changes` are fields of `Watch` with their new values."""
    for name in changes:
        if name not in CHANGEABLE:
            raise InvalidInput(f"watch.{name}", "cannot be changed")
    whole = watch_message(Watch(**{"id": watch_id, "text": "", **changes}))
    request = watch_pb2.WatchServiceUpdateRequest(watch=whole)
    for name in changes:
        path = str(whole.WhichOneof("form")) if name == "form" else _PATHS.get(name, name)
        if path not in request.update_mask.paths:
            request.update_mask.paths.append(path)
    return request


def watch_of(message: watch_pb2.Watch) -> Watch:
    """From the wire."""
    return Watch(
        id=message.id,
        text=message.text,
        camera_ids=tuple(message.cameras.camera_ids),
        selector=message.cameras.labels,
        form=_form_of(message),
        trigger=_trigger_of(message.trigger) if message.HasField("trigger") else None,
        severity=cast(Any, word_of(event_pb2.Severity, message.severity) or "warning"),
        labels=dict(sorted(message.labels.items())),
        hours=_hours_of(message.hours) if message.HasField("hours") else None,
        paused=message.paused,
        sinks=tuple(message.sinks),
        every_s=seconds_of(message, "every") or 0.0,
        heartbeat_s=seconds_of(message, "heartbeat") or 0.0,
        display_name=message.display_name,
        within=tuple(message.within),
        created=message.created.ToDatetime(tzinfo=UTC) if message.HasField("created") else None,
        version=message.version,
    )


def watch_state_of(info: watch_pb2.WatchInfo) -> WatchState:
    """From the wire."""
    return WatchState(watch_of(info.watch), info.cameras, info.open_events, info.message)


def evaluation_of(message: watch_pb2.Evaluation) -> Evaluation:
    """From the wire."""
    captured = message.captured
    return Evaluation(
        captured=captured.ToDatetime(tzinfo=UTC) if message.HasField("captured") else None,
        value=message.value,
        choices=tuple((choice.text, choice.probability) for choice in message.choices),
        answer=message.answer,
        holds=message.holds,
    )


def cameras_message(
    camera_ids: tuple[str, ...], selector: str, field_name: str
) -> query_pb2.CameraSelector:
    """Cameras by id or by labels. Raises `InvalidInput` if both are given."""
    if camera_ids and selector:
        raise InvalidInput(field_name, "give camera_ids or a selector, not both")
    if isinstance(camera_ids, str):
        raise InvalidInput(field_name, "camera_ids is a tuple of ids, not one text")
    return query_pb2.CameraSelector(camera_ids=camera_ids, labels=selector)


def duration_of(seconds: float, field_name: str) -> Duration:
    """For the wire. Raises `InvalidInput` for what no duration can be."""
    duration = Duration()
    try:
        duration.FromNanoseconds(round(seconds * 1e9))
    except (ValueError, OverflowError):
        raise InvalidInput(field_name, "is no duration") from None
    return duration


def _set(message: watch_pb2.Watch, name: str, value: object) -> None:
    try:
        setattr(message, name, value)
    except (TypeError, ValueError, UnicodeError):
        raise InvalidInput(f"watch.{name}", "cannot be sent") from None


def _put_form(message: watch_pb2.Watch, form: Form) -> None:
    match form:
        case YesNo():
            message.yes_no.SetInParent()
        case Choices(texts):
            message.choices.texts.extend(texts)
            message.choices.SetInParent()
        case Number(least, most, decimals):
            message.number.CopyFrom(
                watch_pb2.Number(least=least, most=most, decimals=_count(decimals, "decimals"))
            )
            message.number.SetInParent()
        case Diary(interval_s, max_tokens):
            interval = duration_of(interval_s, "watch.diary.interval")
            message.diary.interval.CopyFrom(interval)
            message.diary.max_tokens = _count(max_tokens, "max_tokens")


def _count(value: int, name: str) -> int:
    if not 0 <= value < 2**32:
        raise InvalidInput(f"watch.{name}", "must be 0 or more")
    return value


def _trigger_message(trigger: Trigger) -> watch_pb2.Trigger:
    message = watch_pb2.Trigger(
        hold=duration_of(trigger.hold_s, "watch.trigger.hold"),
        cooldown=duration_of(trigger.cooldown_s, "watch.trigger.cooldown"),
        cooldown_overall=duration_of(trigger.cooldown_overall_s, "watch.trigger.cooldown_overall"),
    )
    if trigger.gap not in _GAPS:
        raise InvalidInput("watch.trigger.gap", f"is one of {', '.join(_GAPS)}")
    message.gap = _GAPS[trigger.gap]
    match trigger.condition:
        case Above(value, clear):
            message.above.CopyFrom(watch_pb2.Threshold(value=value, clear=clear))
            message.above.SetInParent()
        case Below(value, clear):
            message.below.CopyFrom(watch_pb2.Threshold(value=value, clear=clear))
            message.below.SetInParent()
        case Equals(choices, probability, clear):
            one_of = watch_pb2.OneOf(choices=choices, probability=probability, clear=clear)
            message.equals.CopyFrom(one_of)
            message.equals.SetInParent()
        case Changes(probability):
            message.changes.probability = probability
            message.changes.SetInParent()
        case Rate(per_minute, window_s):
            window = duration_of(window_s, "watch.trigger.rate.window")
            message.rate.CopyFrom(watch_pb2.Rate(per_minute=per_minute, window=window))
    return message


def _hours_message(hours: WeekHours) -> watch_pb2.Hours:
    spans = [
        watch_pb2.HoursOfDays(
            days=sorted(span.days), start_minute=span.start_minute, end_minute=span.end_minute
        )
        for span in hours.spans
    ]
    return watch_pb2.Hours(time_zone=hours.time_zone, spans=spans)


def _form_of(message: watch_pb2.Watch) -> Form:
    match message.WhichOneof("form"):
        case "choices":
            return Choices(tuple(message.choices.texts))
        case "number":
            number = message.number
            return Number(_maybe(number, "least"), _maybe(number, "most"), number.decimals)
        case "diary":
            return Diary(seconds_of(message.diary, "interval") or 0.0, message.diary.max_tokens)
    return YesNo()


def _trigger_of(message: watch_pb2.Trigger) -> Trigger | None:
    condition: Condition
    match message.WhichOneof("condition"):
        case "above":
            condition = Above(message.above.value, _maybe(message.above, "clear"))
        case "below":
            condition = Below(message.below.value, _maybe(message.below, "clear"))
        case "equals":
            equals = message.equals
            clear = _maybe(equals, "clear")
            condition = Equals(tuple(equals.choices), equals.probability, clear)
        case "changes":
            condition = Changes(message.changes.probability)
        case "rate":
            rate = message.rate
            condition = Rate(rate.per_minute, seconds_of(rate, "window") or 0.0)
        case _:  # of a later version
            return None
    return Trigger(
        condition,
        seconds_of(message, "hold") or 0.0,
        seconds_of(message, "cooldown") or 0.0,
        seconds_of(message, "cooldown_overall") or 0.0,
        "close" if message.gap == watch_pb2.GAP_RULE_CLOSE else "hold",
    )


def _hours_of(message: watch_pb2.Hours) -> WeekHours | None:
    spans = (
        DaySpan(frozenset(span.days), span.start_minute, span.end_minute) for span in message.spans
    )
    try:
        return WeekHours(message.time_zone, tuple(spans))
    except InvalidInput:  # this machine's database is older
        return None


def _maybe(message: Any, name: str) -> float | None:
    return getattr(message, name) if message.HasField(name) else None
