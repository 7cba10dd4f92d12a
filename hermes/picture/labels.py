"""Room for labels: how wide a text is at most, and how it is made to fit.

SVG is drawn with the viewer's own fonts, so the widths are those of
the widest font that the pictures ask for, DejaVu Sans, or of Pillow's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hermes.picture.scene import Text

LEAST_SIZE = 9
ELLIPSIS = "…"
_ASCENT, _DESCENT = 0.8, 0.25  # of the size
_FIRST = 32
# Of the characters from the space to the tilde, in thousandths of the size.
# fmt: off
_WIDTHS = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 550, 838, 318, 361, 318, 337,
    636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
    1000, 684, 686, 700, 770, 632, 575, 775, 752, 295, 550, 656, 580, 870, 748, 787,
    603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
    500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)
# fmt: on
_OTHER = 1_100
_ROUNDED = 0.5


@dataclass(frozen=True, slots=True)
class Area:
    """The rectangle that a label takes at most."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Area) -> bool:
        """Whether the two have a part in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def width_of(text: str, size: int) -> float:
    """The width that a text has at most. Some fonts round each character to whole pixels."""
    return sum(map(_width, text)) * size / 1_000 + _ROUNDED * len(text)


def area_of(label: Text) -> Area:
    """Where a label is."""
    width = width_of(label.text, label.size)
    left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    bottom = label.y + _DESCENT * label.size
    return Area(left, label.y - _ASCENT * label.size, left + width, bottom)


def fitted(label: Text, room: float) -> Text:
    """The label in a size that fits into `room`; if none does, cut to its beginning."""
    size = label.size
    while size > LEAST_SIZE and width_of(label.text, size) > room:
        size -= 1
    text = label.text
    if width_of(text, size) > room:
        room -= width_of(ELLIPSIS, size)
        while text and width_of(text, size) > room:
            text = text[:-1]
        text = f"{text.rstrip()}{ELLIPSIS}"
    return replace(label, text=text, size=size)


def _width(char: str) -> int:
    at = ord(char) - _FIRST
    return _WIDTHS[at] if 0 <= at < len(_WIDTHS) else _OTHER
