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
SETS = [chosen for n in (0, 1, 2, 3, ALL - 1, ALL) for chosen in combinations(COMPONENTS, n)]
"""What a component does to another shows with the two of them, and three. All sets are too many."""
FEW = [chosen for chosen in SETS if len(chosen) <= 1 or len(chosen) == len(COMPONENTS)]
"""No component, each by itself, and all of them: what is tried by default."""
MANY = [chosen for chosen in SETS if chosen not in FEW]


def every(check: Callable[[Variant], None]) -> Callable[[str, list[tuple[str, ...]]], None]:
    """A test for each overlay, which tells all that `check` has against any set of components."""

    @pytest.mark.parametrize("overlay", OVERLAYS)
    @pytest.mark.parametrize(
        "sets",
        [
            pytest.param(FEW, id="few", marks=pytest.mark.timeout(300)),
            pytest.param(MANY, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        ],
    )
    def test(overlay: str, sets: list[tuple[str, ...]]) -> None:
        variants = [Variant(overlay, components) for components in sets]
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
