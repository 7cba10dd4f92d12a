"""The pictures of docs/watches.md, from one real run of a watch."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from hermes.client import Event
from scripts.watched_run import NIGHTS, Points, WatchedRun

OPENS_AT, CLEARS_AT = 0.5, 0.4
"""The defaults of `--equals`."""
INK, SILVER, BLUE, ORANGE, GREEN = "#24292f", "#afb8c1", "#1f6feb", "#bf8700", "#2da44e"
CAMERA = "porch"


def draw_event(run: WatchedRun, path: Path) -> None:
    """The life of one event: probability, trigger, messages, and the frame that it rests on."""
    event = next(one for one in run.events if one.camera_id == CAMERA)
    began = run.began[CAMERA]
    assert event.closed is not None
    opened, closed = event.opened.timestamp() - began, event.closed.timestamp() - began
    dusk, dawn = NIGHTS[CAMERA]
    decided = max(one.captured.timestamp() for one in event.evidence if one.captured) - began
    figure, (axes, beside) = pyplot.subplots(
        1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=(4.2, 1)
    )
    axes.axvspan(dusk, dawn, color="#d0d7de", alpha=0.6, label="night, by the film's record")
    axes.axvspan(opened, decided, ymax=0.2, color=ORANGE, alpha=0.5, label="the wait of --for 3s")
    points = _since(run.series["hermes_watch_choice", CAMERA], began)
    axes.step(
        *_columns(points), where="post", color=BLUE, linewidth=2, label="probability of night"
    )
    axes.axhline(OPENS_AT, color=GREEN, linestyle="--", linewidth=1.2, label="opens at 0.5")
    axes.axhline(CLEARS_AT, color=ORANGE, linestyle="--", linewidth=1.2, label="clears at 0.4")
    for name, at in (("OPENED", decided), ("CLOSED", closed)):
        axes.axvline(at, ymax=0.88, color=INK, linewidth=1)
        axes.text(at, 1.06, name, color=INK, ha="center", va="bottom", fontsize=9)
    axes.annotate(
        "", (opened, -0.09), (closed, -0.09), arrowprops={"arrowstyle": "<->", "color": INK}
    )
    axes.text(
        (opened + closed) / 2,
        -0.12,
        f"the event: {closed - opened:.0f} s",
        ha="center",
        va="top",
        fontsize=9,
    )
    axes.set(xlim=(min(dusk - 10, points[0][0]), dawn + 12), ylim=(-0.25, 1.18))
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel(f"seconds of the film of {CAMERA!r}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=9)
    _plain(axes)
    _frame(beside, event)
    _save(figure, path)


def draw_series(run: WatchedRun, path: Path) -> None:
    """What Prometheus kept: open or closed, and the probability, by camera."""
    began = min(run.began.values())
    figure, (states, values) = pyplot.subplots(
        2, 1, figsize=(9, 4), sharex=True, layout="constrained", height_ratios=(1, 1.6)
    )
    for row, camera in enumerate(NIGHTS):
        for begin, end, is_open in _stretches(
            _since(run.series["hermes_watch_open", camera], began)
        ):
            states.barh(
                row, end - begin, left=begin, height=0.7, color=ORANGE if is_open else SILVER
            )
    states.set_yticks(range(len(NIGHTS)), list(NIGHTS))
    states.invert_yaxis()
    states.set_title("hermes_watch_open: grey closed, yellow open", loc="left", fontsize=10)
    for camera, colour in zip(NIGHTS, (BLUE, "#8250df"), strict=True):
        points = _since(run.series["hermes_watch_choice", camera], began)
        values.step(*_columns(points), where="post", color=colour, linewidth=2, label=camera)
    values.set_title('hermes_watch_choice{choice="night"}', loc="left", fontsize=10)
    values.set(ylim=(-0.05, 1.05), xlabel="seconds")
    values.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    _plain(states)
    _plain(values)
    _save(figure, path)


def _frame(axes: Axes, event: Event) -> None:
    axes.axis("off")
    pictures = [one for one in event.evidence if one.picture]
    if pictures:
        axes.imshow(np.asarray(Image.open(BytesIO(pictures[0].picture))))
        at = pictures[0].media_s or 0.0
        axes.set_title(f"its evidence:\nthe frame at {at:.1f} s", fontsize=9, color=INK)


def _since(points: Points, began: float) -> Points:
    return [(at - began, value) for at, value in points]


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [at for at, _ in points], [value for _, value in points]


def _stretches(points: Points) -> list[tuple[float, float, bool]]:
    """From when to when it was open or not."""
    found: list[tuple[float, float, bool]] = []
    for (at, value), (later, _) in zip(points, [*points[1:], points[-1]], strict=True):
        if found and found[-1][2] == (value > 0) and found[-1][1] == at:
            found[-1] = (found[-1][0], later, value > 0)
        else:
            found.append((at, later, value > 0))
    return found


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#d0d7de", linewidth=0.6)
    axes.set_axisbelow(True)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, facecolor="white")
    pyplot.close(figure)
