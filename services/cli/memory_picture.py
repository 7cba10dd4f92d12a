"""A memory as text: its layers by capture time, and its bands in figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hermes.contents import LayerContents, MemoryContents
from hermes.picture.axis import TimeAxis, duration, frame_ms, frame_spans
from hermes.picture.clock import on_media_time
from hermes.picture.columns import spread
from hermes.picture.draw import BANDS, SUMMARY
from hermes.picture.figures import BandFigures, spoken
from services.cli.camera_details import reason_words
from services.cli.figures import human_bytes

NAME, NUMBERS = 10, 8  # columns for a band's name and its layers' numbers
LABEL = NAME + NUMBERS
LEAST_PLOT = 24
MOST_ROWS = 12  # several layers share a row where there are more
LEAST_WORTH_FIRST = ("summaries", "tokens", "frames")  # of the figures below the plot
TICK = 12  # columns from one label to the next, at least
ACCENTS = {  # lighter than the drawn picture's, to be visible on black and on white
    "sensory": "#f59f00",
    "working": "#37b24d",
    "long_term": "#8b6cf6",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What the picture is made of. `shades`: from a trace of a frame to nearly all of it."""

    shades: str = "░▒▓█"
    gap: str = "/"
    summary: str = "•"
    line: str = "─"
    tick: str = "┬"
    dot: str = "·"


ASCII = Glyphs(shades=".:*#", summary="~", line="-", tick="+", dot="-")


def memory_picture(
    contents: MemoryContents, title: str, width: int, glyphs: Glyphs | None = None
) -> RenderableType:
    """The picture of one memory, `width` columns wide. `title` says whose it is."""
    glyphs = Glyphs() if glyphs is None else glyphs
    contents = on_media_time(contents)
    heading = _heading(contents, title, glyphs)
    if not contents.times:
        return Group(*heading, Text("nothing is held yet"))
    plot = _Plot(contents, max(LEAST_PLOT, width - LABEL - 1), glyphs)
    rows: list[RenderableType] = []
    for name, layers in contents.bands():
        rows.extend(plot.band(name, layers))
    return Group(
        *heading,
        Text(),
        *rows,
        *plot.time(),
        Text(),
        _figures(contents, width),
        Text(),
        _legend(glyphs),
        *_gaps(contents),
    )


def _heading(contents: MemoryContents, title: str, glyphs: Glyphs) -> list[Text]:
    origin = f"  {glyphs.dot}  ".join(part for part in (contents.policy, contents.model) if part)
    held, seen = len(contents.times), contents.frames_seen
    return [
        Text.assemble((title, "bold"), "  ", (origin, "dim"), no_wrap=True, overflow="crop"),
        Text(
            f"{contents.tokens:,} video tokens in each of {len(contents.layers)} layers"
            f" (budget {contents.budget:,}), {human_bytes(contents.bytes)}"
        ),
        Text(f"{held:,} of {seen:,} frames held, in whole or in part{_new(contents)}"),
    ]


def _new(contents: MemoryContents) -> str:
    """How much of each held frame was taken in, where that is not all of it."""
    taken = sum(contents.taken.values())
    whole = len(contents.taken) * contents.frame_tokens
    if not whole or taken >= whole:
        return ""
    return f"; {100 * taken / whole:.2g}% of their tokens were new, and taken in"


class _Plot:
    """Rows of cells, one for each layer, or for a few of them, and the axis below."""

    def __init__(self, contents: MemoryContents, width: int, glyphs: Glyphs) -> None:
        times = list(contents.times.values())
        self._contents = contents
        self._width = width
        self._glyphs = glyphs
        end = times[-1] + frame_ms(contents)
        self._axis = TimeAxis(times[0], end, 0, width, media=bool(contents.media))
        self._spans = frame_spans(contents)
        self._gaps = self._gap_cells()
        self._layers_a_row = math.ceil(len(contents.layers) / MOST_ROWS)

    def band(self, name: str, layers: tuple[LayerContents, ...]) -> list[Text]:
        """A band's rows, the shallowest on top."""
        known, accent = _named(name)
        rows, step = [], self._layers_a_row
        for start in range(0, len(layers), step):
            some = layers[start : start + step]
            first, last = some[0].number, some[-1].number
            numbers = f"{first}" if first == last else f"{first}-{last}"
            name = "" if start else known[: NAME - 1]
            label = f"{name:<{NAME}}{numbers:>{NUMBERS - 1}} "
            rows.append(Text(label, no_wrap=True, overflow="crop").append(self._row(some, accent)))
        return rows

    def _row(self, layers: Sequence[LayerContents], accent: str) -> Text:
        shares = [0.0] * (self._width + 1)  # one more, because rounding may exceed the width
        summed_up: set[int] = set()
        for layer in layers:
            for frame in layer.frames:
                start, end = (self._axis.x(ms) for ms in self._spans[frame.number])
                spread(shares, start, end, self._contents.share(frame) / len(layers))
                if frame.summaries:
                    summed_up.add(min(self._width - 1, int((start + end) / 2)))
        row = Text()
        for at, share in enumerate(shares[: self._width]):
            if share:
                row.append(shade(share, self._glyphs), accent)
            elif at in summed_up:
                row.append(self._glyphs.summary, SUMMARY)
            else:
                row.append(self._glyphs.gap if at in self._gaps else " ", "dim")
        return row

    def _gap_cells(self) -> set[int]:
        """Cells that lie mostly in a gap; for a short gap, the cell in its middle."""
        cells: set[int] = set()
        each = frame_ms(self._contents)
        for start, end in self._contents.gaps:
            # The frame before the gap covers its own time.
            left, right = self._axis.x(start + each), self._axis.x(end)
            cells.update(range(round(left), round(right)) or [int((left + right) / 2)])
        return cells

    def time(self) -> list[Text]:
        """The time axis and its labels."""
        line, labels = [self._glyphs.line] * self._width, [" "] * self._width
        for cell in self._gaps:
            if cell < self._width:
                line[cell] = self._glyphs.gap
        free = 0
        for x, label in self._axis.ticks(most=max(2, self._width // TICK)):
            at = min(self._width - 1, int(x))
            start = min(max(0, at - len(label) // 2), self._width - len(label))
            if start < free:
                continue
            line[at] = self._glyphs.tick
            labels[start : start + len(label)] = label
            free = start + len(label) + 1
        return [
            Text(" " * LABEL + "".join(line), "dim", no_wrap=True, overflow="crop"),
            Text(
                f"{self._axis.name:<{LABEL}}" + "".join(labels),
                "dim",
                no_wrap=True,
                overflow="crop",
            ),
        ]


def _named(band: str) -> tuple[str, str]:
    """A band's name and colour."""
    known, *_ = BANDS.get(band, (band,))
    return known, ACCENTS.get(band, "")


def shade(share: float, glyphs: Glyphs) -> str:
    """The shade of a share, by its square root, so that a small share is visible."""
    level = math.ceil(math.sqrt(min(1.0, share)) * len(glyphs.shades))
    return glyphs.shades[max(1, level) - 1]


def _figures(contents: MemoryContents, width: int) -> Table:
    """The bands in figures. In a narrow terminal, columns are left out, and none is folded."""
    names = ["in a layer", "frames", "tokens", "summaries", "half within", "oldest"]
    rows, accents = [], []
    for name, layers in contents.bands():
        figures = BandFigures.of(contents, layers)
        known, accent = _named(name)
        accents.append(accent)
        rows.append(
            [
                known,
                spoken(figures.frames),
                spoken(figures.tokens),
                spoken(figures.summaries),
                duration(figures.half_ms),
                f"{duration(figures.oldest_ms)} ago",
            ]
        )
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    kept = set(range(len(names)))
    for column in LEAST_WORTH_FIRST:
        if sum(widths[at] + 2 for at in kept) - 2 > width:
            kept.remove(names.index(column))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at in sorted(kept):
        table.add_column(names[at], justify="right" if at else "left", no_wrap=True)
    for row, accent in zip(rows, accents, strict=True):
        cells = [row[at] for at in sorted(kept)]
        table.add_row(Text(cells[0], accent), *cells[1:])
    return table


def _gaps(contents: MemoryContents) -> list[Text]:
    """How many gaps there are of each reason, if the worker said any."""
    counts = Counter(reason_words(reason) for reason in contents.gap_reasons)
    listed = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return [Text(f"gaps: {listed}", "dim")] if counts else []


def _legend(glyphs: Glyphs) -> Text:
    trace, little, much, most = list(glyphs.shades)
    return Text(
        f"of a frame: {trace} a trace  {little} to a quarter  {much} to a half  {most} more"
        f"   {glyphs.gap} gap   {glyphs.summary} summary",
        "dim",
    )
