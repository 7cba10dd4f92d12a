"""Pictures of the demo's world by day and by night."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from hermes.demo.drawing import draw
from hermes.demo.scenes import make_scene


def _dark_scene() -> Any:
    scenes = (make_scene("dusk", seed) for seed in range(200))
    return next(one for one in scenes if one.night_from is not None and 8 < one.night_from < 40)


class Film:
    """Pictures of a scene: by day before nightfall, and by night after it."""

    def __init__(self) -> None:
        self._scene = _dark_scene()

    def _drawn(self, time: float) -> bytes:
        out = BytesIO()
        draw(self._scene, time).save(out, "JPEG", quality=95)
        return out.getvalue()

    def day(self, number: int) -> bytes:
        return self._drawn(number % 6)

    def night(self, number: int) -> bytes:
        return self._drawn(self._scene.night_from + 2 + number % 4)
