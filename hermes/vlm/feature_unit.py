"""How far apart a model's tower puts unlike things: the unit in which changes are measured."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional

from hermes.memory.changes import unlike
from hermes.vlm.base import VideoModel

_CELL = 14
"""Side of the chart's cells, in pixels: about that of a tower's patches."""

_CHARTS = 2
_units: WeakKeyDictionary[VideoModel, float] = WeakKeyDictionary()


def feature_unit(model: VideoModel) -> float:
    """The median distance between the places of a chart of many colours. Measured once a model."""
    if model not in _units:
        frames = model.encode(_charts(model))
        picture = model.layout.picture
        _units[model] = unlike(torch.stack([frame[picture] for frame in frames]), model.levels)
    return _units[model]


def _charts(model: VideoModel) -> list[Tensor]:
    """Pictures [3, height, width] uint8 of coloured cells, always the same for one size."""
    height, width = model.frame_size
    cells = (3, max(2, height // _CELL), max(2, width // _CELL))
    random = torch.Generator().manual_seed(0)
    found: list[Tensor] = []
    for _ in range(_CHARTS):
        chart = torch.randint(0, 256, (1, *cells), generator=random).to(torch.float32)
        picture = functional.interpolate(chart, (height, width), mode="nearest")[0]
        found += [picture.to(torch.uint8)] * model.pictures_per_frame
    return found
