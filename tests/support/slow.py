"""Parameters of which `make test` takes some, and `make test-all` all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow(values: Iterable[Any], *which: Any) -> list[Any]:
    """The values as parameters, of which some are marked slow: a shorter sibling stays.

    A tuple is one value for each of several parameters.
    """
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=[pytest.mark.slow] if value in which else [],
        )
        for value in values
    ]
