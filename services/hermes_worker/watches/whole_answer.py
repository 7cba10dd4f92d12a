"""A sink that waits for the whole text of an answer."""

from __future__ import annotations

from collections.abc import Callable

from hermes.engine import AnswerResult
from hermes.errors import HermesError

Post = Callable[[Callable[[], None]], None]
"""Has the watches' thread do something."""


class WholeAnswer:
    """Collects an answer on the device's thread, and hands it to the watches' thread."""

    def __init__(
        self,
        post: Post,
        done: Callable[[str, AnswerResult], None],
        failed: Callable[[HermesError], None],
    ) -> None:
        self._post = post
        self._done = done
        self._failed = failed
        self._text = ""

    def delta(self, text: str) -> None:
        """More of the text."""
        self._text += text

    def done(self, result: AnswerResult) -> None:
        """The answer is complete."""
        text = self._text
        self._post(lambda: self._done(text, result))

    def failed(self, error: HermesError) -> None:
        """There is no answer."""
        self._post(lambda: self._failed(error))
