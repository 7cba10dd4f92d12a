"""How many examples a property is tested with."""

from __future__ import annotations

from hypothesis import settings

QUICK = 20
"""At most as many in `make test`. `make test-all` takes all."""


def at_most(count: int) -> int:
    """`count` where slow tests run too, and fewer where they do not."""
    if settings.get_current_profile_name() == "thorough":
        return count
    return min(count, QUICK)
