"""Watches in words: a row of a table, and lines of details."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.client import (
    Above,
    Below,
    Changes,
    Choices,
    Diary,
    Equals,
    Number,
    Rate,
    Trial,
    Watch,
    WatchState,
)
from hermes.durations import duration_text
from hermes.labels import labels_text
from services.cli.camera_details import printable

HEADING = ("watch", "cameras", "answer", "opens", "severity", "open", "note")
STYLES = {"critical": "red", "warning": "yellow", "paused": "dim"}
TRIAL_HEADING = ("camera", "answer", "holds", "note")


def row_of(state: WatchState) -> list[str]:
    """A row of the table of watches."""
    watch = state.watch
    return [
        watch.id,
        str(state.cameras),
        answer_words(watch),
        opens_words(watch) or "-",
        watch.severity,
        str(state.open_events),
        state.message,
    ]


def answer_words(watch: Watch) -> str:
    """How it is answered."""
    match watch.form:
        case Choices(texts):
            return f"one of {len(texts)}"
        case Number():
            return "number"
        case Diary():
            return "diary"
    return "yes/no"


def opens_words(watch: Watch) -> str:
    """When an event opens; "" if it never does."""
    if isinstance(watch.form, Diary):
        return f"each {duration_text(watch.form.interval_s)}"
    if watch.trigger is None:
        return ""
    match watch.trigger.condition:
        case Above(value):
            words = f"above {value:g}"
        case Below(value):
            words = f"below {value:g}"
        case Equals(choices):
            words = f"is {' or '.join(choices)}"
        case Changes():
            words = "changes"
        case Rate(per_minute):
            words = f"{per_minute:+g} a minute"
    hold_s = watch.trigger.hold_s
    return printable(f"{words} for {duration_text(hold_s)}" if hold_s else words)


def details_of(state: WatchState) -> Iterator[str]:
    """Lines for people."""
    watch = state.watch
    yield f"question: {printable(watch.text)}"
    if watch.display_name:
        yield f"display name: {printable(watch.display_name)}"
    named = ", ".join(watch.camera_ids) or f"those with the labels {watch.selector}"
    within = f", of {', '.join(watch.within)}" if watch.within else ""
    yield f"cameras: {named}{within}"
    yield from _of_form(watch)
    yield from _of_trigger(watch)
    if watch.labels:
        yield f"labels: {labels_text(watch.labels, ', ')}"
    if watch.hours is not None:
        yield f"hours: {watch.hours}"
    if watch.every_s:
        yield f"asked at most every {duration_text(watch.every_s)}"
    if watch.heartbeat_s:
        yield f"asked at least every {duration_text(watch.heartbeat_s)}"
    if watch.sinks:
        yield f"sinks: {', '.join(watch.sinks)}"
    if watch.created is not None:
        created = watch.created.astimezone()
        yield f"created: {created:%Y-%m-%d %H:%M:%S}, version {watch.version}"


def _of_form(watch: Watch) -> Iterator[str]:
    match watch.form:
        case Choices(texts):
            yield f"choices: {printable(', '.join(texts))}"
        case Diary():
            yield f"writes a note {opens_words(watch)}"
        case Number(least, most, decimals):
            bounds = [
                f"at least {least:g}" if least is not None else "",
                f"at most {most:g}" if most is not None else "",
                f"{decimals} decimals" if decimals else "",
            ]
            if any(bounds):
                yield f"number: {', '.join(filter(None, bounds))}"


def _of_trigger(watch: Watch) -> Iterator[str]:
    trigger = watch.trigger
    if trigger is None:
        return
    condition = trigger.condition
    clear = getattr(condition, "clear", None)
    closes = "" if clear is None else f"; closes {_beyond(condition)} {clear:g}"
    yield f"opens: {opens_words(watch)}{closes}"
    if trigger.cooldown_s:
        yield f"cooldown: {duration_text(trigger.cooldown_s)} of each camera"
    if trigger.cooldown_overall_s:
        yield f"cooldown: {duration_text(trigger.cooldown_overall_s)} of all cameras"
    if trigger.gap == "close":
        yield "a gap in the stream closes its events"


def _beyond(condition: object) -> str:
    return "at or above" if isinstance(condition, Below) else "at or below"


def trial_row(trial: Trial, watch: Watch) -> list[str]:
    """A row of what a watch finds now."""
    found = trial.evaluation
    if found is None:
        return [trial.camera_id, "-", "-", trial.message]
    frames = [frame.captured for frame in trial.evidence if frame.captured is not None]
    seen = ", ".join(f"{moment.astimezone():%H:%M:%S}" for moment in frames)
    note = f"evidence: {seen}" if seen else ""
    holds = "-" if isinstance(watch.form, Diary) else "yes" if found.holds else "no"
    match watch.form:
        case Choices():
            listed = ", ".join(f"{text} {p:.2f}" for text, p in found.choices)
            return [trial.camera_id, found.answer, holds, "; ".join(filter(None, (listed, note)))]
        case Number(decimals=decimals):
            return [trial.camera_id, f"{found.value:.{decimals}f}", holds, note]
        case Diary():
            return [trial.camera_id, "note", holds, found.answer]
    return [trial.camera_id, f"{found.value:.2f}", holds, note]
