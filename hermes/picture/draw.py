"""A memory's contents as shapes: shallow layers at the top, old frames on the left."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise

from hermes.contents import LayerContents, MemoryContents
from hermes.picture.axis import TimeAxis, duration, frame_ms, frame_spans
from hermes.picture.clock import on_media_time
from hermes.picture.columns import spread
from hermes.picture.figures import BandFigures, spoken
from hermes.picture.labels import Area, area_of, fitted, width_of
from hermes.picture.scene import Box, Dot, Hatch, Line, Scene, Text

WIDTH = 1280
MARGIN = 24
LEFT, RIGHT = 186, 190
TOP = 96
ROWS_HEIGHT = 440  # of all layers together, as far as one row's limits allow
ROW_LIMITS = (7, 30)
BAND_GAP = 16
NAME_HEIGHT = 40  # of the two lines beside a band, however flat the band is
LABEL_SPACE = 8
COLUMN = 2.0  # narrower frames than two of these are averaged into columns
LEAST_GAP = 3.0  # so that a short gap is seen

INK, SOFT, RULE, PAPER, EMPTY = "#1b2733", "#5d6b78", "#c9d1d9", "#ffffff", "#f1f3f5"
SUMMARY = "#e8590c"
BANDS = {
    "sensory": ("sensory", "the newest", "#f08c00"),
    "working": ("working", "new and relevant", "#2f9e44"),
    "long_term": ("long-term", "relevant, however old", "#7048e8"),
}
_RAMP = (
    (0.0, (222, 235, 247)),
    (0.35, (125, 180, 220)),
    (0.7, (33, 113, 181)),
    (1.0, (8, 48, 107)),
)
_SHADES = 32


def colour(share: float) -> str:
    """From pale, for one token of a frame, to dark, for the whole frame."""
    at = round(min(1.0, max(0.0, share)) ** 0.5 * _SHADES) / _SHADES
    for (low, one), (high, other) in pairwise(_RAMP):
        if at <= high:
            mix = (at - low) / (high - low)
            red, green, blue = (round(a + (b - a) * mix) for a, b in zip(one, other, strict=True))
            return f"#{red:02x}{green:02x}{blue:02x}"
    raise AssertionError("the ramp ends at 1")


@dataclass(frozen=True, slots=True)
class _Band:
    """A band of layers and where its rows lie: from `y` on."""

    name: str
    layers: tuple[LayerContents, ...]
    y: float
    row: int

    @property
    def height(self) -> float:
        """The height of its rows."""
        return self.row * len(self.layers) - 1

    def rows(self) -> list[tuple[LayerContents, float]]:
        """Each layer and the upper edge of its row."""
        return [(layer, self.y + at * self.row) for at, layer in enumerate(self.layers)]


def _bands(contents: MemoryContents) -> tuple[list[_Band], float]:
    """The bands from the top, each with room for its names, and where the last one ends."""
    low, high = ROW_LIMITS
    row = min(high, max(low, ROWS_HEIGHT // max(1, len(contents.layers))))
    bands, y = [], float(TOP)
    for name, layers in contents.bands():
        height = row * len(layers)
        room = max(height, NAME_HEIGHT)
        bands.append(_Band(name, layers, y + (room - height) / 2, row))
        y += room + BAND_GAP
    return bands, (y - BAND_GAP if bands else y)


def draw(contents: MemoryContents, title: str = "") -> Scene:
    """The picture of one memory. `title`: the name of its camera."""
    contents = on_media_time(contents)
    title = "".join(char for char in title if char.isprintable())  # fonts have no other
    bands, bottom = _bands(contents)
    scene = Scene(WIDTH, round(bottom) + 104, f"Memory {title}".strip())
    scene.add(Box(0, 0, scene.width, scene.height, PAPER))
    _heading(scene, contents, title)
    if not contents.times:
        scene.add(Text(LEFT, TOP + 30, "nothing is held yet", 16, SOFT))
        return scene
    times = list(contents.times.values())
    axis = TimeAxis(
        times[0],
        times[-1] + frame_ms(contents),
        LEFT,
        WIDTH - LEFT - RIGHT,
        media=bool(contents.media),
    )
    spans = frame_spans(contents)
    for band in bands:
        _band_names(scene, band, contents)
        for layer, y in band.rows():
            scene.add(Box(LEFT, y, axis.width, band.row - 1, EMPTY))
            _layer(scene, contents, layer, axis, spans, y, band.row - 1)
    _gaps(scene, contents, axis, bottom)
    for band in bands:
        for layer, y in band.rows():
            _summaries(scene, layer, axis, spans, y, band.row - 1)
    _time(scene, axis, bottom)
    _legend(scene, bottom + 62)
    return scene


def _heading(scene: Scene, contents: MemoryContents, title: str) -> None:
    held, seen = len(contents.times), contents.frames_seen
    room = WIDTH - 2 * MARGIN
    policy = fitted(Text(WIDTH - MARGIN, 38, contents.policy, 18, SOFT, "end"), room / 3)
    room_of_name = room - width_of(policy.text, policy.size) - 2 * LABEL_SPACE
    name = f"Memory of {title}" if title else "Memory"
    figures = (
        f"{contents.tokens:,} video tokens in each of {len(contents.layers)} layers"
        f" (budget {contents.budget:,})  ·  {_size(contents.bytes)}"
        f"  ·  {held:,} of {seen:,} frames held, in whole or in part"
    )
    scene.add(
        fitted(Text(MARGIN, 38, name, 24, INK), room_of_name),
        policy,
        fitted(Text(MARGIN, 64, figures, 15, SOFT), room),
    )


def _size(amount: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if amount >= size:
            return f"{amount / size:.1f} {unit}"
    return f"{amount / 2**10:.0f} KiB"


def _layer(
    scene: Scene,
    contents: MemoryContents,
    layer: LayerContents,
    axis: TimeAxis,
    spans: dict[int, tuple[float, float]],
    y: float,
    height: float,
) -> None:
    """Boxes for frames that are wide enough, and columns for those that are not.

    The colour of a column is the held share of what was captured in its time.
    """
    columns = [0.0] * (int(axis.width / COLUMN) + 1)
    for frame in layer.frames:
        if not frame.tokens:
            continue
        start, end = (axis.x(ms) for ms in spans[frame.number])
        share = contents.share(frame)
        if end - start >= 2 * COLUMN:
            scene.add(Box(start, y, end - start - 0.5, height, colour(share)))
            continue
        spread(columns, (start - axis.left) / COLUMN, (end - axis.left) / COLUMN, share)
    _columns(scene, columns, axis, y, height)


def _columns(scene: Scene, columns: list[float], axis: TimeAxis, y: float, height: float) -> None:
    """One box for each run of columns of the same shade; none where nothing is held."""
    shades = [colour(share) if share else "" for share in columns]
    start = 0
    for shade, run in groupby(shades):
        end = start + len(list(run))
        if shade:
            x = axis.left + start * COLUMN
            width = min((end - start) * COLUMN, axis.left + axis.width - x)
            scene.add(Box(x, y, width, height, shade))
        start = end


def _band_names(scene: Scene, band: _Band, contents: MemoryContents) -> None:
    known, meaning, accent = BANDS.get(band.name, (band.name, "", SOFT))
    middle = band.y + band.height / 2
    first, last = band.layers[0].number, band.layers[-1].number
    numbers = f"layer {first}" if first == last else f"layers {first} to {last}"
    scene.add(Box(LEFT - 10, band.y, 4, band.height, accent))
    left = [Text(MARGIN, middle - 4, known, 17, INK), Text(MARGIN, middle + 12, numbers, 12, SOFT)]
    if band.height >= 60 and meaning:
        left.append(Text(MARGIN, middle + 28, meaning, 12, accent))
    figures = BandFigures.of(contents, band.layers)
    x = WIDTH - RIGHT + 14
    half = f"half within {duration(figures.half_ms)}"
    right = [
        Text(x, middle - 4, f"{spoken(figures.frames)} frames", 14, INK),
        Text(x, middle + 12, half, 12, SOFT),
    ]
    scene.add(*(fitted(label, LEFT - 10 - LABEL_SPACE - MARGIN) for label in left))
    scene.add(*(fitted(label, WIDTH - MARGIN / 2 - x) for label in right))


def _gaps(scene: Scene, contents: MemoryContents, axis: TimeAxis, bottom: float) -> None:
    for start, end in contents.gaps:
        # The frame before the gap covers its own time; nothing was seen after it.
        left, right = axis.x(start + frame_ms(contents)), axis.x(end)
        if right - left < LEAST_GAP:
            left, right = right - LEAST_GAP, right
        scene.add(Hatch(left, TOP - 6, right - left, bottom - TOP + 12, "#adb5bd", PAPER))


def _summaries(
    scene: Scene,
    layer: LayerContents,
    axis: TimeAxis,
    spans: dict[int, tuple[float, float]],
    y: float,
    height: float,
) -> None:
    radius = min(4.5, max(2.0, height / 3))
    for frame in layer.frames:
        if frame.summaries:
            middle = sum(axis.x(ms) for ms in spans[frame.number]) / 2
            scene.add(Dot(middle, y + height / 2, radius, SUMMARY))


def _time(scene: Scene, axis: TimeAxis, bottom: float) -> None:
    """The axis; a tick whose label would lie over another one has none."""
    scene.add(Line(axis.left, bottom + 6, axis.left + axis.width, bottom + 6, RULE))
    labels = [
        Text(MARGIN, bottom + 28, axis.name, 13, SOFT),
        Text(WIDTH - RIGHT + 28, bottom + 28, "newest", 13, SOFT),
    ]
    taken = [area_of(label) for label in labels]
    for x, text in axis.ticks():
        label = Text(x, bottom + 28, text, 13, SOFT, "middle")
        area = area_of(label)
        spaced = Area(area.left - LABEL_SPACE, area.top, area.right + LABEL_SPACE, area.bottom)
        scene.add(Line(x, bottom + 6, x, bottom + 12, SOFT))
        if not any(map(spaced.overlaps, taken)):
            labels.append(label)
            taken.append(area)
    scene.add(*labels)


def _legend(scene: Scene, y: float) -> None:
    scene.add(Text(MARGIN, y + 12, "held of a frame", 13, SOFT))
    x, width = float(LEFT), 5.0
    for shade in range(_SHADES + 1):
        scene.add(Box(x + shade * width, y, width + 0.5, 14, colour((shade / _SHADES) ** 2)))
    whole = x + (_SHADES + 1) * width
    scene.add(
        Text(x, y + 29, "a token", 12, SOFT),
        Text((x + whole) / 2, y + 29, "a quarter", 12, SOFT, "middle"),
        Text(whole, y + 29, "all", 12, SOFT, "end"),
    )
    x = whole + 60
    scene.add(
        Box(x, y, 26, 14, EMPTY),
        Text(x + 34, y + 12, "nothing", 13, SOFT),
        Hatch(x + 120, y, 26, 14, "#adb5bd", PAPER),
        Text(x + 154, y + 12, "gap: nothing was seen", 13, SOFT),
        Dot(x + 330, y + 7, 4.5, SUMMARY),
        Text(x + 342, y + 12, "summary of what was evicted", 13, SOFT),
    )
