"""Which questions one pass reads, and how much of each. Plain Python: no tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hermes.engine.answer import Answer
from hermes.engine.question_room import QuestionRoom
from hermes.engine.ready_questions import ReadyQuestions

_LEAST = 4
"""A slice of a long question is at least this part (one in four) of what a pass may read."""


@dataclass(frozen=True, slots=True)
class PassShare:
    """What one pass does. `starting`: questions that were begun for it; some wait for their first
    slice. `going_on`: answers under way that take part. `reads`: questions, and how
    many tokens of each it reads. `tokens`: all that it reads, with what comes before a
    question and with choices.
    """

    starting: tuple[Answer, ...]
    going_on: tuple[Answer, ...]
    reads: tuple[tuple[Answer, int], ...]
    tokens: int = 0


class Prefill:
    """Shares out the tokens that one pass may read.

    Whole questions come first, as many as fit: callers take turns, and the one of whom the fewest
    questions are being answered is next. A question that is longer than one pass may read is cut
    into slices. It takes what room the others leave, and a quarter of a pass in any case, so that
    neither waits long for the other. Of several long questions, the pass reads the oldest, and
    standing ones after all others.
    """

    def __init__(self, room: QuestionRoom) -> None:
        """`room`: the tokens that one pass may read. It reads one whole question in any case."""
        self._room = room

    def share(
        self,
        under_way: Iterable[Answer],
        ready: ReadyQuestions,
        begin: Callable[[Answer], bool],
    ) -> PassShare:
        """What the next pass does. Takes the questions that it starts out of `ready`.

        `begin`: begins a question. Returns whether that worked.
        """
        most = self._room.tokens
        starting, reads = list[Answer](), list[tuple[Answer, int]]()
        answers = list(under_way)
        long = [answer for answer in answers if answer.unread_tokens]
        going_on, tokens = fitting([one for one in answers if not one.unread_tokens], most)
        for answer in ready.next_ones(Counter(answer.caller for answer in answers)):
            whole = answer.question_tokens <= most
            own = answer.pass_tokens + answer.session.present_tokens
            if whole and tokens and tokens + own > most:
                break
            ready.remove(answer)
            if not begin(answer):
                continue
            starting.append(answer)
            if whole:
                tokens += own
                reads.append((answer, answer.unread_tokens))
            else:
                long.append(answer)
        if long:
            first = min(long, key=lambda answer: answer.standing)
            begins = first.unread_tokens == first.question_tokens
            tokens += first.session.present_tokens if begins else 0
            slice_tokens = min(first.unread_tokens, max(1, most // _LEAST, most - tokens))
            reads.append((first, slice_tokens))
            ends = slice_tokens == first.unread_tokens
            tokens += first.pass_tokens if ends else slice_tokens  # its choices come last
        return PassShare(tuple(starting), tuple(going_on), tuple(reads), tokens)


def fitting(under_way: Iterable[Answer], most: int) -> tuple[list[Answer], int]:
    """The answers that the next pass goes on with, and how many tokens of choices it reads for
    them. Choices that do not fit wait for the next pass.
    """
    taking_part, tokens = list[Answer](), 0
    for answer in under_way:
        if answer.pass_tokens and tokens and tokens + answer.pass_tokens > most:
            continue
        tokens += answer.pass_tokens
        taking_part.append(answer)
    return taking_part, tokens
