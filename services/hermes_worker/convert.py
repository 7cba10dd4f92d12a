"""Converts the library's types into messages."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from hermes.engine import AnswerResult
from hermes.engine.evidence import Evidence
from hermes.gap_reasons import gap_number
from hermes.memory import Coverage, SpanCoverage
from hermes.v1 import camera_pb2, query_pb2

_FINISH = {
    "stop": query_pb2.FINISH_REASON_STOP,
    "length": query_pb2.FINISH_REASON_LENGTH,
}


def coverage_message(coverage: Coverage) -> camera_pb2.Coverage:
    """Coverage as a message."""
    message = camera_pb2.Coverage(frames=coverage.frames, frames_seen=coverage.frames_seen)
    if coverage.start_ms is not None and coverage.end_ms is not None:
        _span(message.span, coverage.start_ms, coverage.end_ms)
    for start_ms, end_ms in coverage.gaps:
        _span(message.gaps.add(), start_ms, end_ms)
    for gap, reason in zip(message.gaps, coverage.gap_reasons, strict=False):
        gap.reason = gap_number(reason)
    if coverage.whole_since_ms is not None:
        message.whole_since.FromMilliseconds(coverage.whole_since_ms)
    for start_ms, end_ms in coverage.forgotten:
        _span(message.forgotten.add(), start_ms, end_ms)
    if coverage.since_ms is not None:
        message.watching_since.FromMilliseconds(coverage.since_ms)
    if coverage.lost is not None:
        _span(message.lost, *coverage.lost)
    if coverage.media_start_ms is not None:
        message.media_start.FromMilliseconds(coverage.media_start_ms)
    if coverage.media_end_ms is not None:
        message.media_end.FromMilliseconds(coverage.media_end_ms)
    return message


def complete_message(
    result: AnswerResult, epoch: int, model: str, pictures: Mapping[int, bytes] | None = None
) -> query_pb2.Complete:
    """The last message of an answer; the gateway adds its own timings.

    `pictures`: of the frames of its evidence, by their numbers.
    """
    message = query_pb2.Complete(
        finish_reason=_FINISH[result.finish_reason],
        question_tokens=result.question_tokens,
        answer_tokens=result.answer_tokens,
        epoch=epoch,
        coverage=coverage_message(result.coverage),
        model=model,
        answer_id=result.answer_id,
        dropped_turns=result.dropped_turns,
    )
    for choice in result.choices:
        message.choices.add(
            text=choice.text,
            probability=choice.probability,
            logprob=choice.logprob,
            tokens=choice.tokens,
        )
    for token in result.logprobs:
        message.logprobs.add(token=token.token, text=token.text, logprob=token.logprob)
    if result.span is not None:
        message.span.CopyFrom(span_message(result.span))
    if result.evidence is not None:
        message.evidence.CopyFrom(evidence_message(result.evidence, pictures or {}))
    timings = message.timings
    timings.warm_time_to_first_token.FromNanoseconds(int(result.warm_ttft_s * 1e9))
    timings.fresh_time_to_first_token.FromNanoseconds(int(result.fresh_ttft_s * 1e9))
    timings.queue.FromNanoseconds(int(result.queue_s * 1e9))
    if result.inter_token_s:
        mean = sum(result.inter_token_s) / len(result.inter_token_s)
        timings.time_per_output_token.FromNanoseconds(int(mean * 1e9))
    return message


def span_message(covered: SpanCoverage) -> query_pb2.SpanCoverage:
    """How much of the span that was asked about is covered, as a message."""
    message = query_pb2.SpanCoverage(
        frames=covered.frames,
        whole=_duration(covered.whole_ms),
        thinned=_duration(covered.thinned_ms),
        forgotten=_duration(covered.forgotten_ms),
        unseen=_duration(covered.unseen_ms),
    )
    _span(message.span, covered.start_ms, covered.end_ms)
    if covered.media_start_ms is not None:
        message.media_start.FromMilliseconds(covered.media_start_ms)
    if covered.media_end_ms is not None:
        message.media_end.FromMilliseconds(covered.media_end_ms)
    return message


def evidence_message(evidence: Evidence, pictures: Mapping[int, bytes]) -> query_pb2.Evidence:
    """Evidence as a message. `pictures`: JPEGs by the numbers of their frames."""
    message = query_pb2.Evidence(
        logprob=evidence.logprob,
        largest_fall=evidence.largest_fall,
        readings=evidence.readings,
    )
    for found in evidence.frames:
        frame = message.frames.add(
            frame=found.number,
            logprob_without=found.logprob_without,
            picture=pictures.get(found.number, b""),
        )
        frame.captured.FromMilliseconds(found.stamp.capture_ms)
        if found.stamp.media_ms is not None:
            frame.media.FromMilliseconds(found.stamp.media_ms)
    return message


def _duration(ms: int) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(ms)
    return duration


def _span(message: camera_pb2.TimeSpan, start_ms: int, end_ms: int) -> None:
    message.start.FromMilliseconds(start_ms)
    message.end.FromMilliseconds(end_ms)
