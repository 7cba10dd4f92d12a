"""Events as the client returns them: frozen records with plain Python values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hermes.client.watch_messages import SEVERITIES, cameras_message, evaluation_of
from hermes.client.watches import Evaluation, SeverityWord
from hermes.client.words import seconds_of, word_of
from hermes.errors import InvalidInput
from hermes.v1 import event_pb2, query_pb2, watch_pb2


@dataclass(frozen=True, slots=True)
class EventFrame:
    """A frame that a finding rests on. `picture`: a JPEG; empty if it was not sent."""

    captured: datetime | None
    media_s: float | None
    frame: int
    logprob_without: float
    picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who has taken notice of an event: the name in the token, and a remark."""

    by: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as of one message about it.

    `type`: opened, updated, closed or note. `end`: why it is over: cleared, gap, watch
    or camera; "" while it is open. `value`: the probability or the number at this
    message, `peak`: the most extreme one so far. `answer`: the choice that was found,
    or the text of a note. `sentence`: what is to be seen, by the model.
    """

    id: str
    type: str
    watch_id: str
    camera_id: str
    camera_display_name: str
    severity: str
    labels: Mapping[str, str] = field(hash=False)
    question: str
    opened: datetime
    closed: datetime | None
    end: str
    value: float
    peak: float
    answer: str
    sentence: str
    evidence: tuple[EventFrame, ...]
    acknowledgement: Acknowledgement | None
    epoch: int
    sinks: tuple[str, ...]
    lag_s: float | None
    model: str
    sequence: int

    @property
    def is_open(self) -> bool:
        """Whether it went on at this message."""
        return self.closed is None and self.type not in ("closed", "note")


@dataclass(frozen=True, slots=True)
class FollowedEvent:
    """A message about an event, as it came.

    `position`: give it to `follow_events` to go on after it. `missed`: messages before
    this one are no longer kept.
    """

    event: Event
    position: str
    missed: bool


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events. What is left out does not filter. `at_least`: this severity and graver ones."""

    watch_ids: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    selector: str = ""
    at_least: SeverityWord | None = None
    only_open: bool = False
    opened_after: datetime | None = None
    opened_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a watch finds at one camera now, or why that camera does not answer."""

    camera_id: str
    evaluation: Evaluation | None
    evidence: tuple[EventFrame, ...] = ()
    reason: str = ""
    message: str = ""
    retry_after_s: float | None = None


def filter_message(filter_: EventFilter) -> event_pb2.EventFilter:
    """For the wire. Raises `InvalidInput` for what cannot be sent."""
    at_least = filter_.at_least or ""
    if at_least not in SEVERITIES:
        raise InvalidInput("filter.at_least", f"is one of {', '.join(filter(None, SEVERITIES))}")
    message = event_pb2.EventFilter(
        watch_ids=filter_.watch_ids,
        at_least=SEVERITIES[at_least],
        only_open=filter_.only_open,
    )
    if filter_.camera_ids or filter_.selector:
        message.cameras.CopyFrom(
            cameras_message(filter_.camera_ids, filter_.selector, "filter.cameras")
        )
    for name in ("opened_after", "opened_before"):
        moment: datetime | None = getattr(filter_, name)
        if moment is None:
            continue
        if moment.tzinfo is None:
            raise InvalidInput(f"filter.{name}", "must know its time zone")
        getattr(message, name).FromDatetime(moment)
    return message


def event_of(message: event_pb2.Event) -> Event:
    """From the wire."""
    return Event(
        id=message.id,
        type=word_of(event_pb2.EventType, message.type),
        watch_id=message.watch_id,
        camera_id=message.camera_id,
        camera_display_name=message.camera_display_name,
        severity=word_of(event_pb2.Severity, message.severity),
        labels=dict(sorted(message.labels.items())),
        question=message.question,
        opened=message.opened.ToDatetime(tzinfo=UTC),
        closed=_time(message, "closed"),
        end=word_of(event_pb2.EventEnd, message.end),
        value=message.value,
        peak=message.peak,
        answer=message.answer,
        sentence=message.sentence,
        evidence=tuple(map(evidence_frame_of, message.evidence)),
        acknowledgement=_acknowledgement_of(message),
        epoch=message.epoch,
        sinks=tuple(message.sinks),
        lag_s=seconds_of(message, "lag"),
        model=message.model,
        sequence=message.sequence,
    )


def evidence_frame_of(frame: query_pb2.EvidenceFrame) -> EventFrame:
    """From the wire."""
    return EventFrame(
        captured=_time(frame, "captured"),
        media_s=seconds_of(frame, "media"),
        frame=frame.frame,
        logprob_without=frame.logprob_without,
        picture=frame.picture,
    )


def trial_of(response: watch_pb2.WatchServiceTryResponse) -> Trial:
    """From the wire."""
    evidence = tuple(map(evidence_frame_of, response.evidence.frames))
    if response.WhichOneof("result") == "evaluation":
        return Trial(response.camera_id, evaluation_of(response.evaluation), evidence)
    error = response.error
    retry_after_s = seconds_of(error, "retry_after")
    return Trial(response.camera_id, None, evidence, error.reason, error.message, retry_after_s)


def _acknowledgement_of(message: event_pb2.Event) -> Acknowledgement | None:
    if not message.HasField("acknowledgement"):
        return None
    said = message.acknowledgement
    return Acknowledgement(said.by, said.at.ToDatetime(tzinfo=UTC), said.note)


def _time(message: Any, name: str) -> datetime | None:
    return getattr(message, name).ToDatetime(tzinfo=UTC) if message.HasField(name) else None
