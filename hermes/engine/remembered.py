"""Answers that were given lately, so that they can be weighed afterwards."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from hermes.engine.session import Session
from hermes.errors import AnswerNotFound
from hermes.question import Span
from hermes.vlm.left_open import OpenToken

KEPT_S = 60.0
MOST = 64


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """An answer that was given: the inputs of its question, the span, and the answer's tokens.

    `left_open`: of an answer with a grammar, the tokens at which it allowed others.
    """

    session: Session
    question: Tensor
    span: Span | None
    answer: Sequence[int]
    left_open: Sequence[OpenToken] | None = None


class Remembered:
    """Keeps so many answers, the newest, for so long. Not thread-safe."""

    def __init__(
        self, clock: Callable[[], float], kept_s: float = KEPT_S, most: int = MOST
    ) -> None:
        self._clock = clock
        self._kept_s = kept_s
        self._most = most
        self._given: OrderedDict[str, tuple[float, Given]] = OrderedDict()

    def add(self, given: Given) -> str:
        """Keep an answer. Returns the name by which it is found."""
        self._forget_old()
        name = uuid.uuid4().hex
        self._given[name] = self._clock(), given
        if len(self._given) > self._most:
            self._given.popitem(last=False)
        return name

    def find(self, session: Session, name: str) -> Given:
        """An answer about this camera. Raises `AnswerNotFound`."""
        self._forget_old()
        if name not in self._given or self._given[name][1].session is not session:
            raise AnswerNotFound(
                f"answer {name[:64]!r} is unknown here: answers are kept for {self._kept_s:g} s,"
                " and until their camera changes hands"
            )
        return self._given[name][1]

    def forget(self, session: Session) -> None:
        """Forget the answers about a camera."""
        for name in [name for name, (_, one) in self._given.items() if one.session is session]:
            del self._given[name]

    def _forget_old(self) -> None:
        since = self._clock() - self._kept_s
        while self._given and next(iter(self._given.values()))[0] < since:
            self._given.popitem(last=False)
