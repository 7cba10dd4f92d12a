"""HERMES memory under unmodified Hugging Face video language models."""

from hermes.vlm.base import TextStream, VideoModel
from hermes.vlm.loading import FAMILIES, load

__all__ = ["FAMILIES", "TextStream", "VideoModel", "load"]
