"""Events in words: a row of a table, a line of what comes, and details."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from hermes.client import Event
from hermes.durations import duration_text
from hermes.labels import labels_text
from services.cli.camera_details import printable

HEADING = ("event", "opened", "lasted", "severity", "watch", "camera", "value", "note")
STYLES = {"critical": "red", "warning": "yellow", "open": "bold"}
_ENDS = {
    "cleared": "the condition does not hold any more",
    "gap": "the stream had a gap",
    "watch": "its watch was changed, paused or removed, or its hours are over",
    "camera": "its camera was removed, or is not the watch's any more",
}


def row_of(event: Event) -> list[str]:
    """A row of the table of events."""
    return [
        event.id,
        when(event.opened),
        lasted(event),
        event.severity,
        event.watch_id,
        event.camera_id,
        value_words(event),
        note_of(event),
    ]


def line_of(event: Event) -> str:
    """One message as a line: what happened, where, and what is to be seen."""
    moment = event.closed if event.type == "closed" and event.closed else event.opened
    parts = [
        when(moment),
        event.type.upper(),
        event.severity,
        event.watch_id,
        event.camera_id,
        value_words(event),
        f"after {lasted(event)}" if event.type == "closed" else "",
        note_of(event),
        f"({event.id})",
    ]
    return printable("  ".join(filter(None, parts)))


def details_of(event: Event) -> Iterator[str]:
    """Lines for people."""
    yield f"question: {printable(event.question)}"
    if event.answer:
        yield f"answer: {printable(event.answer)}"
    if event.sentence:
        yield f"to be seen: {printable(event.sentence)}"
    if event.closed is not None:
        yield f"closed: {when(event.closed)}, {_ENDS.get(event.end, event.end)}"
    yield f"value: {event.value:.3g}, peak {event.peak:.3g}"
    if event.lag_s is not None:
        yield f"lag: {duration_text(event.lag_s)} from the frame to this message"
    if event.labels:
        yield f"labels: {labels_text(event.labels, ', ')}"
    for frame in event.evidence:
        captured = "" if frame.captured is None else f", captured {when(frame.captured)}"
        yield f"evidence: frame {frame.frame}{captured}, {len(frame.picture)} bytes of picture"
    if event.acknowledgement is not None:
        said = event.acknowledgement
        note = f": {printable(said.note)}" if said.note else ""
        yield f"acknowledged: {when(said.at)} by {said.by or 'somebody'}{note}"
    yield f"model: {printable(event.model)}, epoch {event.epoch}, message {event.sequence}"


def note_of(event: Event) -> str:
    """What is to be seen, or else what was asked; and who has taken notice."""
    text = event.sentence or (event.answer if event.type == "note" else event.question)
    said = event.acknowledgement
    seen = f" [seen by {said.by or 'somebody'}]" if said is not None else ""
    return f"{text}{seen}"


def value_words(event: Event) -> str:
    """The choice, or the value; "-" for a note."""
    if event.type == "note":
        return "-"
    return f"{event.answer} {event.value:.2f}" if event.answer else f"{event.value:.3g}"


def lasted(event: Event) -> str:
    """How long it lasted, or that it is open."""
    if event.is_open:
        return "open"
    if event.closed is None:
        return "-"
    return duration_text(round((event.closed - event.opened).total_seconds()))


def when(moment: datetime) -> str:
    """A time by the clock of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
