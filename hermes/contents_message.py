"""What a memory holds as a message, and back. No torch: workers and clients share it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise, repeat

from google.protobuf.timestamp_pb2 import Timestamp

from hermes.contents import HeldFrame, LayerContents, MemoryContents
from hermes.errors import HermesError
from hermes.gap_reasons import UNKNOWN, gap_number, gap_word
from hermes.v1 import memory_pb2
from hermes.v1.camera_pb2 import TimeSpan

_BANDS: dict[str, memory_pb2.MemoryBand] = {
    "sensory": memory_pb2.MEMORY_BAND_SENSORY,
    "working": memory_pb2.MEMORY_BAND_WORKING,
    "long_term": memory_pb2.MEMORY_BAND_LONG_TERM,
}
_NAMES: dict[int, str] = {int(band): name for name, band in _BANDS.items()}


def message_of(contents: MemoryContents) -> memory_pb2.MemoryContents:
    """As the API says it. Takes parts of a second for a large memory: not for an event loop."""
    return memory_pb2.MemoryContents(
        policy=contents.policy,
        budget=contents.budget,
        tokens=contents.tokens,
        bytes=contents.bytes,
        frame_tokens=contents.frame_tokens,
        frames_seen=contents.frames_seen,
        epoch=contents.epoch,
        model=contents.model,
        frame_steps=_steps(contents.times),
        time_steps=_steps(contents.times.values()),
        gaps=[
            _span(start_ms, end_ms, reason)
            for (start_ms, end_ms), reason in zip(contents.gaps, _reasons(contents), strict=True)
        ],
        layers=map(_layer_message, contents.layers),
        media_steps=_steps(contents.media.values()),
        frame_taken=[contents.taken[number] for number in contents.times if contents.taken],
    )


def contents_of(message: memory_pb2.MemoryContents) -> MemoryContents:
    """From the wire. Raises `HermesError` if lists that belong together differ in length."""
    try:
        numbers = list(accumulate(message.frame_steps))
        media = list(accumulate(message.media_steps))
        taken = list(message.frame_taken)  # a former server says nothing about it
        reasons = tuple(gap_word(gap.reason) for gap in message.gaps)
        return MemoryContents(
            policy=message.policy,
            budget=message.budget,
            tokens=message.tokens,
            bytes=message.bytes,
            frame_tokens=message.frame_tokens,
            frames_seen=message.frames_seen,
            times=dict(zip(numbers, accumulate(message.time_steps), strict=True)),
            gaps=tuple(
                (gap.start.ToMilliseconds(), gap.end.ToMilliseconds()) for gap in message.gaps
            ),
            layers=tuple(map(_layer, message.layers)),
            model=message.model,
            epoch=message.epoch,
            media=dict(zip(numbers, media, strict=True)) if media else {},
            taken=dict(zip(numbers, taken, strict=True)) if taken else {},
            gap_reasons=reasons if any(reasons) else (),
        )
    except ValueError as error:
        raise HermesError(f"the memory's contents cannot be read: {error}") from error


def _reasons(contents: MemoryContents) -> Iterable[str]:
    return contents.gap_reasons or repeat(UNKNOWN, len(contents.gaps))


def _layer_message(layer: LayerContents) -> memory_pb2.LayerContents:
    frames = layer.frames
    summed_up = any(frame.summaries for frame in frames)
    return memory_pb2.LayerContents(
        number=layer.number,
        band=_BANDS[layer.band],
        frame_steps=_steps(frame.number for frame in frames),
        tokens=[frame.tokens for frame in frames],
        summaries=[frame.summaries for frame in frames] if summed_up else (),
    )


def _layer(message: memory_pb2.LayerContents) -> LayerContents:
    numbers = accumulate(message.frame_steps)
    summaries = message.summaries or [0] * len(message.tokens)
    return LayerContents(
        number=message.number,
        band=_NAMES.get(message.band, str(message.band)),  # a newer server's as a number
        frames=tuple(
            HeldFrame(*frame) for frame in zip(numbers, message.tokens, summaries, strict=True)
        ),
    )


def _steps(values: Iterable[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise((0, *values))]


def _span(start_ms: int, end_ms: int, reason: str) -> TimeSpan:
    start, end = Timestamp(), Timestamp()
    start.FromMilliseconds(start_ms)
    end.FromMilliseconds(end_ms)
    return TimeSpan(start=start, end=end, reason=gap_number(reason))
