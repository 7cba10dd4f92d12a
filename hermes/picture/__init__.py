"""A memory as a picture: layers by capture time, how much of each frame is held as colour."""

from hermes.picture.draw import draw
from hermes.picture.files import save, to_png, to_svg

__all__ = ["draw", "save", "to_png", "to_svg"]
