"""Which questions one pass reads, and how much of each. Plain Python: no tensors."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from hermes.engine.answer import Answer
from hermes.engine.question_room import QuestionRoom

_LEAST = 4
"""A slice of a long question is at least this part (one in four) of what a pass may read."""


@dataclass(frozen=True, slots=True)
class PassShare:
    """What one pass does. `starting`: questions of which it is the first pass, or that wait for
    their first slice. `going_on`: answers under way that take part. `reads`: questions, and how
    many tokens of each it reads. `tokens`: all that it reads, with what comes before a
    question and with choices.
    """

    starting: tuple[Answer, ...]
    going_on: tuple[Answer, ...]
    reads: tuple[tuple[Answer, int], ...]
    tokens: int = 0


class Prefill:
    """Shares out the tokens that one pass may read.

    Whole questions come first, in the order in which they were asked: as many as fit. A question
    that is longer than one pass may read is cut into slices. It takes what room the others leave,
    and a quarter of a pass in any case, so that neither waits long for the other. Of several long
    questions, the pass reads the oldest, and standing ones after all others.
    """

    def __init__(self, room: QuestionRoom) -> None:
        """`room`: the tokens that one pass may read. It reads one whole question in any case."""
        self._room = room

    def share(self, under_way: Iterable[Answer], ready: deque[Answer]) -> PassShare:
        """What the next pass does. Takes the questions that it starts out of `ready`."""
        most = self._room.tokens
        tokens, going_on, starting = 0, list[Answer](), list[Answer]()
        long, reads = list[Answer](), list[tuple[Answer, int]]()
        for answer in under_way:
            if answer.unread_tokens:
                long.append(answer)
                continue
            # Choices that do not fit wait for the next pass.
            if answer.pass_tokens and tokens and tokens + answer.pass_tokens > most:
                continue
            tokens += answer.pass_tokens
            going_on.append(answer)
        while ready:
            if ready[0].question_tokens > most:
                long.append(ready[0])
            else:
                more = ready[0].pass_tokens + ready[0].session.present_tokens
                if tokens and tokens + more > most:
                    break
                tokens += more
                reads.append((ready[0], ready[0].unread_tokens))
            starting.append(ready.popleft())
        if long:
            first = min(long, key=lambda answer: answer.standing)
            slice_tokens = min(first.unread_tokens, max(1, most // _LEAST, most - tokens))
            reads.append((first, slice_tokens))
            tokens += slice_tokens
        return PassShare(tuple(starting), tuple(going_on), tuple(reads), tokens)
