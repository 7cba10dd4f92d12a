"""Which tokens of an answer its grammar left open, and what could have stood there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hermes.vlm.spelling import Spelling

MOST_NAMED = 64
"""If a grammar allows more pieces, they are not named: nearly anything is allowed."""

_SOME = re.compile(rb"[^\x00]")


@dataclass(frozen=True, slots=True)
class OpenToken:
    """A token of an answer that could have been another one.

    `place`: in the answer. `scored_by`: the token whose logit it has. `among`: the same of all
    that could have stood there; empty if they are many.
    """

    place: int
    scored_by: int
    among: tuple[int, ...] = ()


def open_token(place: int, piece: int, mask: bytes, spelling: Spelling) -> OpenToken | None:
    """A token where a grammar allowed the pieces of `mask`; None if it had to be this one.

    Between two parts of JSON, blanks may come, and one thing after them. That is no choice: it
    says nothing about what was seen.
    """
    scored_by = spelling.scored_by
    own = piece if scored_by is None else scored_by[piece]
    if int.from_bytes(mask, "little").bit_count() > MOST_NAMED:
        return OpenToken(place, own)
    allowed = [number for number in _pieces(mask) if number < len(spelling.pieces)]
    if len(allowed) == 1 or _only_blanks_differ(allowed, spelling):
        return None
    among = allowed if scored_by is None else [scored_by[number] for number in allowed]
    return OpenToken(place, own, tuple(sorted(set(among))))


def _pieces(mask: bytes) -> Iterable[int]:
    """The numbers of the pieces in a mask: a bit each."""
    for found in _SOME.finditer(mask):
        byte = found[0][0]
        yield from (8 * found.start() + bit for bit in range(8) if byte >> bit & 1)


def _only_blanks_differ(allowed: Iterable[int], spelling: Spelling) -> bool:
    """Whether blanks may come, and after them one text, of which each piece is a beginning."""
    texts = {spelling.pieces[number].strip() for number in allowed if number not in spelling.ends}
    if b"" not in texts:
        return False
    longest = max(texts, key=len)
    ends = any(number in spelling.ends for number in allowed)
    return all(longest.startswith(text) for text in texts) and not (ends and longest)
