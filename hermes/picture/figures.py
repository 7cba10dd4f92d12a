"""A band in figures: how much its layers hold, and how far back that goes."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.contents import LayerContents, MemoryContents


@dataclass(frozen=True, slots=True)
class BandFigures:
    """What a band's layers hold: the least and the most of any layer. Ages are in ms.

    Ages count back from the newest frame that the memory holds: half of the
    band's tokens are not older than `half_ms`, and none is older than `oldest_ms`.
    """

    frames: tuple[int, int]
    tokens: tuple[int, int]
    summaries: tuple[int, int]
    half_ms: int
    oldest_ms: int

    @classmethod
    def of(cls, contents: MemoryContents, layers: tuple[LayerContents, ...]) -> BandFigures:
        """The figures of these layers. There is at least one."""
        tokens: dict[int, int] = {}
        for layer in layers:
            for frame in layer.frames:
                tokens[frame.number] = tokens.get(frame.number, 0) + frame.tokens + frame.summaries
        newest = max(contents.times.values(), default=0)
        held = sorted(tokens, reverse=True)
        oldest = newest - contents.times[held[-1]] if held else 0
        return cls(
            frames=_range([len(layer.frames) for layer in layers]),
            tokens=_range([layer.tokens for layer in layers]),
            summaries=_range([sum(f.summaries for f in layer.frames) for layer in layers]),
            half_ms=newest - contents.times[_half(held, tokens)] if held else 0,
            oldest_ms=oldest,
        )


def spoken(least_and_most: tuple[int, int]) -> str:
    """`512`, or `8 to 10`."""
    least, most = least_and_most
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _range(counts: list[int]) -> tuple[int, int]:
    return min(counts), max(counts)


def _half(newest_first: list[int], tokens: dict[int, int]) -> int:
    """The frame at which half of all tokens is reached."""
    half, passed = sum(tokens.values()) / 2, 0
    for number in newest_first:
        passed += tokens[number]
        if passed >= half:
            return number
    return newest_first[-1]
