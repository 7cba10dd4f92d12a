"""A picture as SVG, from plain strings, and as PNG, with Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from hermes.contents import MemoryContents
from hermes.errors import InvalidInput, Unsupported
from hermes.picture.draw import draw
from hermes.picture.scene import Box, Dot, Hatch, Line, Shape, Text

PNG_SCALE = 2
HATCH_STEP = 7
_FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def save(contents: MemoryContents, path: str | Path, title: str = "") -> None:
    """Write the picture as `.svg` or `.png`, by the path's ending."""
    path = Path(path)
    if path.suffix.lower() == ".svg":
        path.write_text(to_svg(contents, title), encoding="utf-8")
    elif path.suffix.lower() == ".png":
        path.write_bytes(to_png(contents, title))
    else:
        raise InvalidInput("path", f"{path.name!r} ends in neither .svg nor .png")


def to_svg(contents: MemoryContents, title: str = "") -> str:
    """The picture as an SVG document."""
    scene = draw(contents, title)
    size = f'width="{scene.width}" height="{scene.height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
            f' viewBox="0 0 {scene.width} {scene.height}" font-family="{_FONT}" role="img">',
            f"<title>{escape(scene.title)}</title>",
            *map(_svg, scene.shapes),
            "</svg>",
            "",
        )
    )


def _svg(shape: Shape) -> str:
    match shape:
        case Box(x, y, width, height, fill):
            return (
                f'<rect x="{x:g}" y="{y:g}" width="{width:.2f}" height="{height:g}" fill="{fill}"/>'
            )
        case Hatch(x, y, width, height, stroke, fill):
            lines = "".join(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}" for a, b, c, d in hatched(shape))
            return _svg(Box(x, y, width, height, fill)) + f'<path d="{lines}" stroke="{stroke}"/>'
        case Line(x1, y1, x2, y2, stroke):
            return f'<path d="M{x1:.1f} {y1:g}L{x2:.1f} {y2:g}" stroke="{stroke}"/>'
        case Dot(x, y, radius, fill):
            return (
                f'<circle cx="{x:.1f}" cy="{y:g}" r="{radius:.1f}" fill="{fill}" stroke="#ffffff"/>'
            )
        case Text(x, y, text, size, fill, anchor):
            return (
                f'<text x="{x:.1f}" y="{y:g}" font-size="{size}" fill="{fill}"'
                f' text-anchor="{anchor}" xml:space="preserve">{escape(text)}</text>'
            )


def to_png(contents: MemoryContents, title: str = "") -> bytes:
    """The picture as a PNG file. Needs Pillow."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ModuleNotFoundError as error:
        raise Unsupported(
            "PNG pictures need Pillow (pip install pillow); SVG needs nothing"
        ) from error
    scene = draw(contents, title)
    image = Image.new("RGB", (scene.width * PNG_SCALE, scene.height * PNG_SCALE))
    canvas = ImageDraw.Draw(image)
    fonts: dict[int, Any] = {}
    for shape in scene.shapes:
        if isinstance(shape, Text) and shape.size not in fonts:
            fonts[shape.size] = ImageFont.load_default(shape.size * PNG_SCALE)
        _paint(canvas, shape, fonts)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _paint(canvas: Any, shape: Shape, fonts: dict[int, Any]) -> None:
    s = PNG_SCALE
    match shape:
        case Box(x, y, width, height, fill):
            right, bottom = round((x + width) * s) - 1, round((y + height) * s) - 1
            left, top = round(x * s), round(y * s)
            if right >= left and bottom >= top:
                canvas.rectangle((left, top, right, bottom), fill=fill)
        case Hatch(x, y, width, height, stroke, fill):
            _paint(canvas, Box(x, y, width, height, fill), fonts)
            for line in hatched(shape):
                canvas.line([value * s for value in line], fill=stroke, width=s)
        case Line(x1, y1, x2, y2, stroke):
            canvas.line((x1 * s, y1 * s, x2 * s, y2 * s), fill=stroke, width=s)
        case Dot(x, y, radius, fill):
            box = [(x - radius) * s, (y - radius) * s, (x + radius) * s, (y + radius) * s]
            canvas.ellipse(box, fill=fill, outline="#ffffff", width=s // 2)
        case Text(x, y, text, size, fill, anchor):
            canvas.text((x * s, y * s), text, fill=fill, font=fonts[size], anchor=_ANCHORS[anchor])


def hatched(area: Hatch) -> list[tuple[float, float, float, float]]:
    """Lines at 45 degrees, clipped to the rectangle."""
    lines = []
    reach = area.width + area.height
    for step in range(1, int(reach / HATCH_STEP) + 1):
        at = step * HATCH_STEP  # x + y along the line, from the upper left corner
        x1, y1 = (at, 0.0) if at <= area.width else (area.width, at - area.width)
        x2, y2 = (0.0, at) if at <= area.height else (at - area.height, area.height)
        lines.append((area.x + x1, area.y + y1, area.x + x2, area.y + y2))
    return lines
