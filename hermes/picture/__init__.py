"""A memory as a picture: layers by capture time; colour shows how much of a frame is held."""

from hermes.picture.draw import draw
from hermes.picture.files import save, to_png, to_svg

__all__ = ["draw", "save", "to_png", "to_svg"]
