"""How a kernel over memories cuts its work into products of matrices, by GPU."""

from __future__ import annotations

from dataclasses import dataclass

REGISTERS = 128
"""Of a thread, at most: so a multiprocessor has room for three blocks of threads and more."""

_FEWEST = 16
"""Rows of the smallest product that tensor cores take."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The products of one pass. Rows of a product: query tokens, of each the heads of a group.

    `rows`: of a product. `group`: rows of one token: as many as query heads share a key head,
    rounded up to a power of two. `block`, `own_block`: keys of the memory, and of the row's own
    tokens, that are read at once. `warps`: of a block of threads.
    """

    rows: int
    group: int
    block: int
    own_block: int = 16
    warps: int = 4

    @classmethod
    def of(cls, capability: int, tokens: int, groups: int, *, eight_bits: bool = False) -> Tiles:
        """For a GPU of this compute capability, such as 90, and passes of so many tokens.

        `groups`: query heads that share a key head. `eight_bits`: values are stored in 8 bits, and
        widening them takes registers. What these numbers cost in registers and
        shared memory is held by `tests/unit/memory/test_kernels_compile.py`.
        """
        group = _power(groups)
        if _power(tokens) * group <= _FEWEST:
            return cls(_FEWEST, group, block=32 if eight_bits else 64)
        if capability // 10 == 9:  # a warp group of four warps multiplies 64 rows
            return cls(max(64, group), group, block=32, warps=8 if eight_bits else 4)
        if capability // 10 == 10:  # tensor memory takes 64 rows
            return cls(max(64, group), group, block=64, warps=8)
        return cls(max(32, group), group, block=32, warps=8 if eight_bits else 4)

    @property
    def tokens(self) -> int:
        """Tokens of one row of the pass that are read together."""
        return self.rows // self.group


def _power(number: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << (number - 1).bit_length()
