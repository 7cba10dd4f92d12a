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

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import isqrt, prod

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput

NOISE_FRAMES = 16
"""The noise floor of a place is the median over so many successive frames."""

AT_ONCE = 2**22
"""Numbers of frames' features that are compared in one step, which takes some fp32 copies."""

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
class Shown:
    """A camera's next frame, and what is known of the picture before it.

    `features`: [places, width]. `sides`: of the picture, as in `beside`; without, no place is
    beside another.
    """

    seen: Seen | None
    features: Tensor
    capture_ms: int
    sides: tuple[int, ...] = ()

    @property
    def known(self) -> Seen | None:
        """What the frame can be compared with: nothing if it has another number of places."""
        there = self.seen is not None and self.seen.reference.shape == self.features.shape
        return self.seen if there else None


@dataclass(frozen=True, slots=True)
class Look:
    """What one frame shows. `taken`: [places] bool, which places are to be taken in.

    `numbers`: [2] fp32, how many those are, and the share of the places that changed. `seen`:
    what is known once the frame is in memory. All on the device; nothing waits for it. They may
    be parts of larger tensors.
    """

    taken: Tensor
    numbers: Tensor
    seen: Seen

    @property
    def share(self) -> Tensor:
        """Scalar fp32, the share of the places that changed."""
        return self.numbers[1]


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

    @property
    def alike(self) -> Hashable:
        """Equal for all that look in the same way."""
        return self.config, self._unit, self._levels

    def look(
        self,
        seen: Seen | None,
        features: Tensor,
        capture_ms: int,
        sides: tuple[int, ...] = (),
    ) -> Look:
        """Compare a frame's features [places, width] with what is known."""
        return self.looks([Shown(seen, features, capture_ms, sides)])[0]

    def looks(self, shown: Sequence[Shown]) -> list[Look]:
        """Compare frames of different cameras with what is known of each.

        The first frame of a camera, and one with another number of places, is taken in whole.
        Frames of equal size are looked at together, which takes as many steps as one of them.
        """
        found: dict[int, Look] = {}
        equal: dict[Hashable, list[int]] = {}
        for number, own in enumerate(shown):
            if own.known is None:
                found[number] = self._first(own.features, own.capture_ms)
            else:
                steps = min(own.known.steps, NOISE_FRAMES)
                key = own.features.shape, own.features.device, own.sides, steps
                equal.setdefault(key, []).append(number)
        for numbers in equal.values():
            most = max(1, AT_ONCE // max(1, shown[numbers[0]].features.numel()))
            for first in range(0, len(numbers), most):
                some = numbers[first : first + most]
                found |= zip(some, self._together([shown[at] for at in some]), strict=True)
        return [found[number] for number in range(len(shown))]

    def _together(self, shown: Sequence[Shown]) -> list[Look]:
        """As `looks`, for frames of equal size, of each of which as many went before."""
        config, sides = self.config, shown[0].sides
        seen = [own.known for own in shown if own.known is not None]
        features = torch.stack([own.features for own in shown])
        known = torch.stack([part for own in seen for part in (own.newest, own.reference)])
        known = known.unflatten(0, (-1, 2))
        moved, apart = distance(features.unsqueeze(1), known, self._levels).unbind(1)
        noise = torch.stack([own.noise for own in seen])
        steps = min(seen[0].steps, NOISE_FRAMES)
        floor = _floor(noise[:, :steps]) if config.threshold else torch.zeros_like(apart)
        least = (config.noise * floor).clamp(config.threshold * self._unit, FLOOR_MOST * self._unit)
        changed = apart >= least
        share = changed.to(torch.float32).mean(dim=1)
        # One place at least, the one that is furthest off: time passes, too.
        taken = self._with_those_beside(changed, sides) | (share >= config.whole)[:, None]
        taken = taken.scatter(1, (apart - least).argmax(dim=1, keepdim=True), True)
        now = [
            (own.steps % NOISE_FRAMES, new.capture_ms) for own, new in zip(seen, shown, strict=True)
        ]
        rows, times_ms = torch.tensor(now).to(taken.device, non_blocking=True).unbind(1)
        noise.scatter_(1, rows[:, None, None].expand(-1, 1, noise.shape[2]), moved[:, None])
        taken_ms = torch.stack([own.taken_ms for own in seen])
        if config.refresh_s:
            taken = taken | self._stale(taken_ms, times_ms[:, None])
        taken_ms = torch.where(taken, times_ms[:, None], taken_ms)
        reference = torch.where(taken[:, :, None], features, known[:, 1])
        numbers = torch.stack((taken.sum(dim=1).to(torch.float32), share), dim=1)
        return [
            Look(
                taken[at],
                numbers[at],
                Seen(reference[at], new.features, noise[at], own.steps + 1, taken_ms[at]),
            )
            for at, (own, new) in enumerate(zip(seen, shown, strict=True))
        ]

    def _with_those_beside(self, changed: Tensor, sides: tuple[int, ...]) -> Tensor:
        """[cameras, places] -> as many."""
        if not sides or not self.config.around:
            return changed
        key = (sides, changed.device)
        if key not in self._beside:
            self._beside[key] = beside(sides, self.config.around).to(changed.device)
        return changed[:, self._beside[key]].any(dim=2)

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
        return Look(every, torch.tensor([float(places), 1.0]).to(device, non_blocking=True), seen)

    def _stale(self, taken_ms: Tensor, capture_ms: Tensor) -> Tensor:
        """Which places are due again. Their turns are spread: no frame takes all of them."""
        places = torch.arange(taken_ms.shape[1], device=taken_ms.device)
        turn = (places * 0.6180339887) % 1.0  # the golden ratio spreads any number of places
        longest_ms = 1000 * self.config.refresh_s * (0.5 + 0.5 * turn)
        return capture_ms - taken_ms >= longest_ms


def _floor(noise: Tensor) -> Tensor:
    """The noise floor of each place, from distances [cameras, frames, places]: [cameras, places].

    0 until there is anything to know it from.
    """
    if not noise.shape[1]:
        return noise.new_zeros((noise.shape[0], noise.shape[2]))
    return noise.median(dim=1).values
