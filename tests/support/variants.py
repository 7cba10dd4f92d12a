"""Checks that hold for every overlay with every set of components."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from operator import attrgetter
from traceback import extract_tb

import pytest

from hermes.cpus import usable_cpus
from tests.support.manifests import COMPONENTS, OVERLAYS, Variant

ALL = len(COMPONENTS)
OTHER_GPUS = ("a100-40", "l40s", "h200")
"""Overlays that differ from a100 and h100 in numbers and labels alone: less is tried on them."""
SETS = [chosen for n in (0, 1, 2, ALL - 2, ALL - 1, ALL) for chosen in combinations(COMPONENTS, n)]
"""What a component does to another shows with two of them, or without two: all are too many."""


def few(overlay: str) -> list[tuple[str, ...]]:
    """What is tried by default: no component, all, and on one overlay each by itself."""
    if overlay in OTHER_GPUS:
        return [()]
    singles = overlay == OVERLAYS[-1]
    return [one for one in SETS if len(one) in ((0, 1, ALL) if singles else (0, ALL))]


def many(overlay: str) -> list[tuple[str, ...]]:
    """The others."""
    if overlay in OTHER_GPUS:
        return [COMPONENTS]
    by_default = few(overlay)
    return [one for one in SETS if one not in by_default]


Sets = Callable[[str], list[tuple[str, ...]]]


def every(check: Callable[[Variant], None]) -> Callable[[str, Sets], None]:
    """A test for each overlay, which tells all that `check` has against any set of components."""

    @pytest.mark.parametrize("overlay", OVERLAYS)
    @pytest.mark.parametrize(
        "sets",
        [
            pytest.param(few, id="few", marks=pytest.mark.timeout(300)),
            pytest.param(many, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        ],
    )
    def test(overlay: str, sets: Sets) -> None:
        variants = [Variant(overlay, components) for components in sets(overlay)]
        failed: dict[str, list[str]] = {}
        with ThreadPoolExecutor(usable_cpus()) as pool:
            pool.map(attrgetter("objects"), variants)  # once for all tests; what fails, fails below
        for variant in variants:
            try:
                check(variant)
            except AssertionError as error:
                line = extract_tb(error.__traceback__)[-1].lineno
                failed.setdefault(f"line {line}: {error}", []).append(str(variant))
        assert not failed, "\n\n".join(
            f"{len(where)} of {len(variants)}, the first is {where[0]}\n{what}"
            for what, where in failed.items()
        )

    return test
