"""Scenes to video files, for the demo's cameras."""

from __future__ import annotations

from hermes.evaluation.film import FPS, film

__all__ = ["FPS", "film"]
