"""Questions that have all the frames they waited for, and wait for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hermes.engine.answer import Answer
from hermes.errors import Overloaded


class ReadyQuestions:
    """A queue. A question whose memory there is no room to read lets later ones go first.

    A GPU has room to read only so many memories at once (`hermes.memory.SlabPool`). Such a
    question begins once another memory is read no more.
    """

    def __init__(self, most_tokens: int, max_wait_s: float, clock: Callable[[], float]) -> None:
        """`most_tokens`: of one pass. `max_wait_s`: how long a question waits for that room."""
        self._most_tokens = most_tokens
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._answers: list[Answer] = []

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, answer: object) -> bool:
        return answer in self._answers

    @property
    def can_begin(self) -> int:
        """How many of them can begin now."""
        return sum(_can_begin(answer) for answer in self._answers)

    def append(self, answer: Answer) -> None:
        """Add one that is ready now."""
        answer.ready = self._clock()
        self._answers.append(answer)

    def remove(self, answer: Answer) -> None:
        """Remove one."""
        self._answers.remove(answer)

    def take(self, tokens: int) -> Iterator[Answer]:
        """Remove those that the next pass reads, one by one; begin each before the next.

        `tokens`: what the pass has already. Without any, it has at least one question.
        """
        for answer in list(self._answers):
            if not _can_begin(answer):
                continue
            own = answer.pass_tokens + answer.session.present_tokens
            if tokens and tokens + own > self._most_tokens:
                return
            tokens += own
            self._answers.remove(answer)
            yield answer

    def refused(self) -> Iterator[tuple[Answer, Overloaded]]:
        """Those that have waited too long for room to read their memory, and why."""
        if self.can_begin == len(self._answers):
            return
        before = self._clock() - self._max_wait_s
        for answer in list(self._answers):
            if answer.ready < before and not _can_begin(answer):
                yield (
                    answer,
                    Overloaded(
                        "too many memories are being read: for more than"
                        f" {self._max_wait_s:g} s there was no room to read this one"
                    ),
                )


def _can_begin(answer: Answer) -> bool:
    return answer.session.memory.cache.can_be_read(answer.question.span)
