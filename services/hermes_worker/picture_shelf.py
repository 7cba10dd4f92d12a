"""Which of one camera's pictures lie in which bundle in the store, and what is to be written."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BUNDLE_BYTES = 16 << 20
"""Bytes of pictures in one bundle, or one picture."""
BUNDLE_PICTURES = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, as the capture times of each new bundle, and which bundles go after that."""

    write: Sequence[Sequence[int]]
    drop: Sequence[str]


class PictureShelf:
    """The bundles of one camera. Thread-safe.

    A picture is written once. It is written again only with a bundle of which no
    more than half of the bytes are of pictures that are kept: so the store holds less
    than twice the bytes that are kept.

    `listed_for`: the epoch of the lease under which the store was looked through; 0
    without a lease, None before the first look.
    """

    def __init__(self) -> None:
        self.listed_for: int | None = None
        self._bundles: dict[str, Mapping[int, int]] = {}
        self._lock = threading.Lock()

    @property
    def paths(self) -> list[str]:
        """The bundles that are known."""
        with self._lock:
            return list(self._bundles)

    def add(self, path: str, sizes: Mapping[int, int]) -> None:
        """A bundle lies in the store, with pictures of these sizes, by capture time."""
        with self._lock:
            self._bundles[path] = sizes

    def remove(self, path: str) -> None:
        """A bundle is gone."""
        with self._lock:
            self._bundles.pop(path, None)

    def plan(self, kept: Mapping[int, int]) -> Plan:
        """What makes the store hold the kept pictures. `kept`: their sizes, by capture time."""
        with self._lock:
            bundles = list(self._bundles.items())
        stored: set[int] = set()
        drop = []
        for path, sizes in reversed(bundles):
            alive = [ms for ms in sizes if ms in kept and ms not in stored]
            if 2 * sum(sizes[ms] for ms in alive) <= sum(sizes.values()):
                drop.append(path)
            else:
                stored.update(alive)
        return Plan(list(_parted(sorted(kept.keys() - stored), kept)), drop)


def _parted(times: Iterable[int], sizes: Mapping[int, int]) -> Iterable[list[int]]:
    part: list[int] = []
    total = 0
    for ms in times:
        if part and (total + sizes[ms] > BUNDLE_BYTES or len(part) == BUNDLE_PICTURES):
            yield part
            part, total = [], 0
        part.append(ms)
        total += sizes[ms]
    if part:
        yield part
