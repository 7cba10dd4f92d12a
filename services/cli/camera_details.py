"""What `hermes camera get` says about one camera below its row of the table."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.client import Camera, PictureStatus, Span
from hermes.labels import labels_text
from hermes.picture.axis import duration

SHAPES = ((1, 1), (5, 4), (4, 3), (3, 2), (16, 10), (16, 9), (2, 1), (21, 9), (32, 9))
MOST_GAPS = 5
NEAR = 0.01  # of a shape


def details_of(camera: Camera) -> Iterator[str]:
    """Lines for people."""
    if camera.display_name:
        yield f"display name: {printable(camera.display_name)}"
    if camera.labels:
        yield f"labels: {labels_text(camera.labels, ', ')}"
    if camera.source.picture is not None:
        yield f"picture: {picture_line(camera.source.picture)}"
    ratio = camera.memory.taken_ratio
    if camera.memory.frames and ratio is not None and ratio < 1:
        yield f"changes: {100 * ratio:.2g}% of a frame's tokens are new, and taken in"
    gaps = camera.memory.coverage.gaps
    if len(gaps) > MOST_GAPS:
        yield f"gaps: {len(gaps)}, of which the last {MOST_GAPS} are"
    for gap in gaps[-MOST_GAPS:]:
        yield f"gap: {gap_line(gap)}"


def picture_line(picture: PictureStatus) -> str:
    """The picture of a source, and what is made of it."""
    parts = [
        f"{picture.width}x{picture.height} ({shape_of(picture.width, picture.height)})",
        picture.codec,
    ]
    if picture.frames_per_second:
        parts.append(f"{picture.frames_per_second:.4g} fps")
    parts.append(picture.color.replace("-", " "))
    if picture.transfer != "sdr":
        parts.append(picture.transfer)
    if picture.interlaced:
        parts.append("interlaced")
    if picture.rotate:
        parts.append(f"turned {picture.rotate} degrees clockwise")
    if picture.mirror:
        parts.append("mirrored")
    coded = (picture.coded_width, picture.coded_height)
    if coded not in ((picture.width, picture.height), (picture.height, picture.width)):
        parts.append(f"coded as {coded[0]}x{coded[1]}")
    parts.append(f"taken as {picture.frame_width}x{picture.frame_height}")
    # The codec's name is the decoder's word: nothing of it may steer a terminal.
    return printable(", ".join(filter(None, parts)))


def printable(text: str) -> str:
    """The text without characters that could steer a terminal."""
    return "".join(char for char in text if char.isprintable())


def gap_line(gap: Span) -> str:
    """A stretch from which no frame was seen, and why."""
    start, end = (moment.astimezone() for moment in (gap.start, gap.end))
    length = duration(round((end - start).total_seconds() * 1000))
    return f"{start:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} ({length}): {reason_words(gap.reason)}"


def reason_words(reason: str) -> str:
    """Why no frame was seen, for people."""
    return reason.replace("_", " ") or "of unknown reason"


def shape_of(width: int, height: int) -> str:
    """The proportions of a picture: `16:9`, or `2.35:1` if it has no common shape."""
    if not width or not height:
        return "?"
    ratio = width / height
    for long, short in SHAPES:
        for wide, high in ((long, short), (short, long)):
            if abs(ratio * high / wide - 1) < NEAR:
                return f"{wide}:{high}"
    return f"{ratio:.2f}:1"
