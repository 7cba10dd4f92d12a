"""A pass that gives way to others between its layers."""

from __future__ import annotations

from collections.abc import Callable

GiveWay = Callable[[float, int], bool]
"""With the share of the pass that is done, and how often it has given way. Whether it ran another
pass."""


class GivingWay:
    """To be called between two layers; counts the time of the other passes."""

    def __init__(
        self,
        layers: int,
        give_way: GiveWay,
        clock: Callable[[], float],
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`tick`: called first between two layers. It may wait, so that the host is not far ahead
        of the device.
        """
        self._layers = layers
        self._give_way = give_way
        self._clock = clock
        self._tick = tick
        self._began = clock()
        self._done = self._given = 0
        self.others_s = 0.0
        """How long the passes of others took that it gave way to."""

    def __call__(self) -> None:
        """Let others go first, if they should."""
        self._tick()
        self._done += 1
        self.aside()

    def aside(self) -> None:
        """The same before the first layer, or after the last one."""
        began = self._clock()
        while self._give_way(min(1.0, self._done / self._layers), self._given):
            self._given += 1
        self.others_s += self._clock() - began

    @property
    def slices(self) -> int:
        """How many layers have begun."""
        return self._done

    @property
    def seconds(self) -> float:
        """How long the pass has taken itself."""
        return self._clock() - self._began - self.others_s
