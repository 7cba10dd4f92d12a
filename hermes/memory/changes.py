"""Changes: which places of a picture look unlike what was last taken in of them.

A fixed camera shows nearly the same picture again and again. A token that looks
like the one that was last taken in at the same place tells nothing new: it needs
no prefill and no room in the cache (Differential Token Drop, arXiv 2504.17343;
Efficient Video Sampling, arXiv 2510.14624). Each place is compared with what was
*taken in*, not with what was seen last, so a slow drift adds up until it counts.

No two pictures of a camera are equal, though: sensors, compression and flicker add
noise. So each place has a noise floor, the median distance of two successive
frames there, and only what rises well above it is a change.

A place that changed is taken in with those beside it: what came in is then seen
against what is around it, as in the pictures that a model knows, not as a fragment.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput

NOISE_FRAMES = 16
"""The noise floor of a place is the median over so many successive frames."""

FLOOR_MOST = 0.8
"""However noisy a place is, a change by this share of the distance of unlike things counts."""


@dataclass(frozen=True, slots=True)
class ChangeConfig:
    """What counts as a change.

    `threshold`: the least distance that counts, as a share of the distance
    between unlike things (`unlike`); 0 takes everything in. `noise`: how many times the noise
    floor of its place a distance must be. `around`: so many places on each side, in its row and its
    column, are taken in with one that changed. `whole`: a frame of which this share or
    more has changed is taken in whole. `refresh_s`: each place is taken in again
    after about this time, changed or not; 0 for never.
    """

    threshold: float = 0.15
    noise: float = 6.0
    around: int = 1
    whole: float = 0.5
    refresh_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= FLOOR_MOST:
            raise InvalidInput("threshold", f"must be between 0 and {FLOOR_MOST:g}")
        if not 1 <= self.noise <= 1000:
            raise InvalidInput("noise", "must be between 1 and 1000")
        if not 0 <= self.around <= 64:
            raise InvalidInput("around", "must be between 0 and 64")
        if not 0 < self.whole <= 1:
            raise InvalidInput("whole", "must be more than 0 and at most 1")
        if not 0 <= self.refresh_s < 1e9:
            raise InvalidInput("refresh_s", "must be 0 or more")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a camera's picture. Never changed: each frame makes a new one.

    `reference`: features [places, width] last taken in. `newest`: those of the
    newest frame. `noise`: [NOISE_FRAMES, places] fp32, distances of
    successive frames, infinite where there was none yet; `steps` of them were written.
    `taken_ms`: [places] int64, capture time of each reference.
    """

    reference: Tensor
    newest: Tensor
    noise: Tensor
    steps: int
    taken_ms: Tensor


@dataclass(frozen=True, slots=True)
class Look:
    """What one frame shows. `taken`: [places] bool, which places are to be taken in.

    `share`: scalar fp32, the share of the places that changed. `seen`: what is
    known once the frame is in memory. All on the device; nothing waits for it.
    """

    taken: Tensor
    share: Tensor
    seen: Seen


def distance(features: Tensor, others: Tensor, levels: int = 1) -> Tensor:
    """1 - cosine: [..., width] x [..., width] -> [...] fp32.

    `levels`: features are so many vectors one after another (a family may hand
    deeper layers features of their own); the largest distance of them counts.
    """
    one, other = (
        functional.normalize(part.to(torch.float32).unflatten(-1, (levels, -1)), dim=-1)
        for part in (features, others)
    )
    return (1 - (one * other).sum(dim=-1)).clamp_min(0).amax(dim=-1)


def unlike(features: Tensor, levels: int = 1) -> float:
    """The median distance between places of frames [n, places, width] that show unlike things.

    The unit of distances: what two towers call far apart differs by a factor of ten.
    """
    rows = features.flatten(0, 1)
    apart = distance(rows[:, None], rows[None], levels)
    upper = torch.triu(torch.ones_like(apart, dtype=torch.bool), diagonal=1)
    return float(apart[upper].median())


def beside(sides: tuple[int, ...], around: int) -> Tensor:
    """Each place and those beside it: [places, 4 * around + 1] int64. At an edge, some twice.

    `sides`: rows and columns; or the number of places in line: those of a square picture, if they
    can be.
    """
    columns = sides[-1] if len(sides) == 2 else isqrt(sides[0])
    rows = prod(sides) // columns
    if rows * columns != prod(sides):
        rows, columns = 1, prod(sides)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    found = []
    for step in range(-around, around + 1):
        found.append(((row + step).clamp(0, rows - 1) * columns + column).flatten())
        if step:
            found.append((row * columns + (column + step).clamp(0, columns - 1)).flatten())
    return torch.stack(found, dim=1)


class Changes:
    """Looks at a camera's frames one after another. Holds no state of a camera."""

    def __init__(self, config: ChangeConfig, unit: float, levels: int = 1) -> None:
        """`unit`: the distance between unlike things, from `unlike`. `levels`: as in `distance`."""
        if not unit > 0:
            raise InvalidInput("unit", f"{unit} must be more than 0")
        self.config = config
        self._unit = unit
        self._levels = levels
        self._beside: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}

    def look(
        self,
        seen: Seen | None,
        features: Tensor,
        capture_ms: int,
        sides: tuple[int, ...] = (),
    ) -> Look:
        """Compare a frame's features [places, width] with what is known.

        `sides`: of the picture, as in `beside`; without, no place is beside another.
        The first frame, and one with another number of places, is taken in whole.
        """
        if seen is None or seen.reference.shape != features.shape:
            return self._first(features, capture_ms)
        config = self.config
        known = torch.stack((seen.newest, seen.reference))
        moved, apart = distance(features, known, self._levels)
        noise = seen.noise.clone()
        noise[seen.steps % NOISE_FRAMES] = moved
        floor = self._floor(seen) if config.threshold else torch.zeros_like(apart)
        least = (config.noise * floor).clamp(config.threshold * self._unit, FLOOR_MOST * self._unit)
        changed = apart >= least
        share = changed.to(torch.float32).mean()
        # One place at least, the one that is furthest off: time passes, too.
        taken = self._with_those_beside(changed, sides) | (share >= config.whole)
        taken = taken.index_fill(0, (apart - least).argmax(), True)
        if config.refresh_s:
            taken = taken | self._stale(seen.taken_ms, capture_ms)
        return Look(
            taken,
            share,
            Seen(
                torch.where(taken[:, None], features, seen.reference),
                features,
                noise,
                seen.steps + 1,
                seen.taken_ms.masked_fill(taken, capture_ms),
            ),
        )

    def _with_those_beside(self, changed: Tensor, sides: tuple[int, ...]) -> Tensor:
        if not sides or not self.config.around:
            return changed
        key = (sides, changed.device)
        if key not in self._beside:
            self._beside[key] = beside(sides, self.config.around).to(changed.device)
        return changed[self._beside[key]].any(dim=1)

    def _first(self, features: Tensor, capture_ms: int) -> Look:
        places, device = len(features), features.device
        every = torch.ones(places, dtype=torch.bool, device=device)
        seen = Seen(
            features,
            features,
            torch.full((NOISE_FRAMES, places), torch.inf, device=device),
            0,
            torch.full((places,), capture_ms, dtype=torch.int64, device=device),
        )
        return Look(every, torch.ones((), device=device), seen)

    def _floor(self, seen: Seen) -> Tensor:
        """The noise floor of each place: [places]; 0 until there is anything to know it from."""
        known = min(seen.steps, NOISE_FRAMES)
        if not known:
            return torch.zeros_like(seen.noise[0])
        return seen.noise[:known].median(dim=0).values

    def _stale(self, taken_ms: Tensor, capture_ms: int) -> Tensor:
        """Which places are due again. Their turns are spread: no frame takes all of them."""
        places = torch.arange(len(taken_ms), device=taken_ms.device)
        turn = (places * 0.6180339887) % 1.0  # the golden ratio spreads any number of places
        longest_ms = 1000 * self.config.refresh_s * (0.5 + 0.5 * turn)
        return capture_ms - taken_ms >= longest_ms
