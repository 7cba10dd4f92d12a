"""Skips frames that show nothing new, before they cost the device anything."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput

_CELLS = 16
"""Pictures are compared on a grid of 16 x 16 cells: a cell averages out noise, but not a person."""


class SimilarityGate:
    """Lets a picture of one camera pass if it differs from the last one that passed.

    The difference of two pictures is the largest change of any cell's mean
    colour, in 8-bit levels. A slow change passes once it has added up, because
    each picture is compared with the last one that passed, not with the last one.
    """

    def __init__(self, threshold: float, longest_s: float) -> None:
        """`threshold`: the difference, in levels of 255, from which a picture passes. `longest_s`:
        after this time a picture passes in any case, so that a memory sees time go on.

        Raises `InvalidInput`.
        """
        if not 0 < threshold <= 255:
            raise InvalidInput("threshold", "must be between 0 and 255")
        if longest_s <= 0:
            raise InvalidInput("longest_s", "must be more than 0")
        self._threshold = threshold
        self._longest_ms = int(1000 * longest_s)
        self._passed: Tensor | None = None
        self._passed_ms = 0

    def passes(self, picture: Tensor, capture_ms: int) -> bool:
        """Whether this picture [3, height, width] uint8 passes. Call it in order of capture."""
        cells = functional.adaptive_avg_pool2d(picture.to(torch.float32), _CELLS)
        last, age_ms = self._passed, capture_ms - self._passed_ms
        if last is not None and 0 <= age_ms < self._longest_ms:
            change = float((cells - last).abs().amax())
            if change < self._threshold:
                return False
        self._passed, self._passed_ms = cells, capture_ms
        return True
