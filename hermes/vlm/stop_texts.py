"""Texts that end an answer. They are compared as text, and never become tokens."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Lets an answer's text through up to the first of some texts, and not beyond it.

    Text that may be the beginning of one is held back until more of it is known.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False
        """Whether one of the texts has come: the answer is over."""

    def push(self, text: str) -> str:
        """Add `text`. Returns the text that may be sent now."""
        if self.found or not self._stops:
            return "" if self.found else text
        together = self._held + text
        places = [at for stop in self._stops if (at := together.find(stop)) >= 0]
        if places:
            self.found, self._held = True, ""
            return together[: min(places)]
        cut = len(together) - self._beginning(together)
        self._held = together[cut:]
        return together[:cut]

    def rest(self) -> str:
        """The text that is held back, where the answer ended without one of the texts."""
        rest, self._held = self._held, ""
        return rest

    def _beginning(self, text: str) -> int:
        """The length of the longest end of `text` with which one of the stops begins."""
        longest = min(len(text), max(len(stop) for stop in self._stops) - 1)
        return next(
            (n for n in range(longest, 0, -1) if any(s.startswith(text[-n:]) for s in self._stops)),
            0,
        )
