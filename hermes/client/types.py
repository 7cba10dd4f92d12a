"""What the client returns: frozen records with plain Python values.

Durations are seconds, times are aware datetimes in UTC, states are the words
of the API in lower case (`online`, `serving`, `stop` ...).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from google.protobuf.message import Message

from hermes.choices import ChoiceProbability
from hermes.client.evidence import Evidence, evidence_of
from hermes.client.picture import Picture, PictureStatus, picture_of, picture_status_of
from hermes.client.words import seconds_of, time_of, word_of
from hermes.gap_reasons import gap_word
from hermes.v1 import camera_pb2, query_pb2

Freshness = Literal["latest", "cached"]
"""latest: the answer has seen every frame captured before the question; cached: answer at once."""

Pacing = Literal["default", "live", "as_fast_as_read"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of capture time. `reason`: of a gap, why no frame was seen; "" if not known."""

    start: datetime
    end: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a memory can know about. Empty (`span` is None) before the first frame.

    `span`: from the oldest held frame to the newest. `gaps`: stretches from which
    no frame was seen. `frames`, `frames_seen`: how many are held, at least in
    part, and how many were seen. `whole_since`: every frame from this time on is
    held whole. `forgotten`: stretches whose frames were seen but are no longer
    held. All other frames are thinned: a part of each is held.
    `watching_since`: time of the memory's first frame. `lost`: what an earlier
    memory of the camera had seen, which is lost.
    """

    span: Span | None
    gaps: tuple[Span, ...]
    media_start_s: float | None
    media_end_s: float | None
    frames: int
    frames_seen: int
    whole_since: datetime | None = None
    forgotten: tuple[Span, ...] = ()
    watching_since: datetime | None = None
    lost: Span | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """The times of an answer, in seconds. None: not measured."""

    warm_time_to_first_token_s: float | None
    fresh_time_to_first_token_s: float | None
    gateway_time_to_first_token_s: float | None
    queue_s: float | None
    time_per_output_token_s: float | None
    total_s: float | None


@dataclass(frozen=True, slots=True)
class SpanCoverage:
    """How much of the span that was asked about memory covers. The four parts add up to its length.

    `frames`: how many of its frames are held, at least in part. `whole_s`: every frame
    is held whole. `thinned_s`: parts of frames are held. `forgotten_s`: frames were
    seen, and nothing of them is held any more. `unseen_s`: no frame was seen.
    `media_start_s`, `media_end_s`: where it lies in the file, if it was asked about so.
    """

    span: Span
    frames: int
    whole_s: float
    thinned_s: float
    forgotten_s: float
    unseen_s: float
    media_start_s: float | None = None
    media_end_s: float | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer, the text that it completed, and its log-probability."""

    token: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer.

    `answer_id`: names it in `evidence`; "" if there can be none. `span`: how much of
    the span that was asked about memory covers; None without a span. `choices`: the
    probability of each, in the order they were asked for. `dropped_turns`: how many of
    the oldest turns had no room. `logprobs`: of its tokens, if they were asked for.
    `shortened_answers`: how many of the answers that it was made of were cut or left out.
    """

    text: str
    finish_reason: str
    question_tokens: int
    answer_tokens: int
    timings: Timings
    coverage: Coverage
    epoch: int
    model: str
    answer_id: str = ""
    span: SpanCoverage | None = None
    choices: tuple[ChoiceProbability, ...] = ()
    evidence: Evidence | None = None
    dropped_turns: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    shortened_answers: int = 0

    def json(self) -> Any:
        """The value of an answer that keeps a JSON Schema. Raises ValueError for any other."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Source:
    """The state of a camera's source. `error` is "" if there is no fault.

    `error_message`: also what a pending source waits for, or how much was read of one that ended.
    `picture`: what its newest frame was made of; None before the first.
    """

    state: str
    error: str
    error_message: str
    frames_per_second: float
    last_frame: datetime | None
    reconnects: int
    dropped_frames: int
    decoder: str
    picture: PictureStatus | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of a camera's memory, and the worker that holds it.

    `message`: what a pending memory waits for. `taken_ratio`: the share of a
    frame's video tokens that was taken in, over the last frames; None if the
    worker does not say.
    """

    state: str
    frames: int
    tokens: int
    bytes: int
    lag_s: float | None
    coverage: Coverage
    worker: str
    epoch: int
    message: str = ""
    taken_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera: its settings, and its current state. The URL carries no credentials."""

    id: str
    url: str
    frames_per_second: float
    chunk_max_frames: int
    chunk_max_duration_s: float | None
    pacing: str
    loop: bool
    created: datetime | None
    source: Source
    memory: Memory
    picture: Picture = field(default_factory=Picture)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    display_name: str = ""


def camera_of(info: camera_pb2.CameraInfo) -> Camera:
    """From the wire."""
    camera, source, memory = info.camera, info.source, info.memory
    return Camera(
        id=camera.id,
        url=camera.url,
        frames_per_second=camera.sampling.frames_per_second,
        chunk_max_frames=camera.sampling.chunk_max_frames,
        chunk_max_duration_s=seconds_of(camera.sampling, "chunk_max_duration"),
        pacing=word_of(camera_pb2.Pacing, camera.pacing) or "default",
        loop=camera.loop,
        created=_time(camera, "created"),
        source=Source(
            state=word_of(camera_pb2.SourceState, source.state),
            error=word_of(camera_pb2.SourceError, source.error),
            error_message=source.error_message,
            frames_per_second=source.frames_per_second,
            last_frame=_time(source, "last_frame"),
            reconnects=source.reconnects,
            dropped_frames=source.dropped_frames,
            decoder=source.decoder,
            picture=picture_status_of(source.picture) if source.HasField("picture") else None,
        ),
        memory=Memory(
            state=word_of(camera_pb2.MemoryState, memory.state),
            frames=memory.frames,
            tokens=memory.tokens,
            bytes=memory.bytes,
            lag_s=seconds_of(memory, "lag"),
            coverage=coverage_of(memory.coverage),
            worker=memory.worker,
            epoch=memory.epoch,
            message=memory.message,
            taken_ratio=memory.taken_ratio if memory.HasField("taken_ratio") else None,
        ),
        picture=picture_of(camera.picture),
        labels=dict(sorted(camera.labels.items())),
        display_name=camera.display_name,
    )


def answer_of(text: str, complete: query_pb2.Complete) -> Answer:
    """From the wire: the text of all deltas, and the closing message."""
    timings = complete.timings
    return Answer(
        text=text,
        finish_reason=word_of(query_pb2.FinishReason, complete.finish_reason),
        question_tokens=complete.question_tokens,
        answer_tokens=complete.answer_tokens,
        timings=Timings(
            warm_time_to_first_token_s=seconds_of(timings, "warm_time_to_first_token"),
            fresh_time_to_first_token_s=seconds_of(timings, "fresh_time_to_first_token"),
            gateway_time_to_first_token_s=seconds_of(timings, "gateway_time_to_first_token"),
            queue_s=seconds_of(timings, "queue"),
            time_per_output_token_s=seconds_of(timings, "time_per_output_token"),
            total_s=seconds_of(timings, "total"),
        ),
        coverage=coverage_of(complete.coverage),
        epoch=complete.epoch,
        model=complete.model,
        answer_id=complete.answer_id,
        span=_span_coverage(complete.span) if complete.HasField("span") else None,
        choices=tuple(
            ChoiceProbability(choice.text, choice.probability, choice.logprob, choice.tokens)
            for choice in complete.choices
        ),
        evidence=evidence_of(complete.evidence) if complete.HasField("evidence") else None,
        dropped_turns=complete.dropped_turns,
        logprobs=tuple(
            TokenLogprob(token.token, token.text, token.logprob) for token in complete.logprobs
        ),
        shortened_answers=complete.shortened_answers,
    )


def coverage_of(coverage: camera_pb2.Coverage) -> Coverage:
    """From the wire."""
    return Coverage(
        span=_span(coverage.span) if coverage.HasField("span") else None,
        gaps=tuple(_span(gap) for gap in coverage.gaps),
        media_start_s=seconds_of(coverage, "media_start"),
        media_end_s=seconds_of(coverage, "media_end"),
        frames=coverage.frames,
        frames_seen=coverage.frames_seen,
        whole_since=_time(coverage, "whole_since"),
        forgotten=tuple(_span(stretch) for stretch in coverage.forgotten),
        watching_since=_time(coverage, "watching_since"),
        lost=_span(coverage.lost) if coverage.HasField("lost") else None,
    )


def _span_coverage(covered: query_pb2.SpanCoverage) -> SpanCoverage:
    return SpanCoverage(
        span=_span(covered.span),
        frames=covered.frames,
        whole_s=seconds_of(covered, "whole") or 0.0,
        thinned_s=seconds_of(covered, "thinned") or 0.0,
        forgotten_s=seconds_of(covered, "forgotten") or 0.0,
        unseen_s=seconds_of(covered, "unseen") or 0.0,
        media_start_s=seconds_of(covered, "media_start"),
        media_end_s=seconds_of(covered, "media_end"),
    )


def _span(span: camera_pb2.TimeSpan) -> Span:
    return Span(time_of(span.start), time_of(span.end), gap_word(span.reason))


def _time(message: Message, name: str) -> datetime | None:
    return time_of(getattr(message, name)) if message.HasField(name) else None
