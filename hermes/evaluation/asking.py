"""Asking a memory a question of a benchmark. It leaves no trace."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from hermes.errors import InvalidInput
from hermes.evaluation.item import Item, Poll
from hermes.evaluation.memory import Memory
from hermes.evaluation.rules import says_yes
from hermes.question import Choices
from hermes.vlm import VideoModel
from hermes.vlm.video_memory import position_reserve

PromptStyle = Literal["official", "choices"]
"""`official`: the benchmark's own prompt, answered in free text. `choices`: the bare question, and
the likeliest of its options is the answer; for models that know no letters.
"""

_YES_NO = ("Yes", "No")
_LONGEST = 16
"""So many prompts with the most characters are looked at for the one with the most tokens."""

_CHOICE_TOKENS = 16
"""Of the letters of options, with some to spare."""

_DIGITS = 6
"""Decimal places of a probability in a results file."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer. `first_s`: time to its first token, from a ready memory; `whole_s`: to its end."""

    text: str
    probabilities: tuple[float, ...] = ()
    chosen: bool = False
    first_s: float = 0.0
    whole_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Asker:
    """How questions are asked. `probabilities`: also of free answers, by a second reading."""

    style: PromptStyle = "official"
    max_tokens: int = 32
    probabilities: bool = True

    def check(self, model: VideoModel) -> None:
        """Raises `InvalidInput` if the model cannot write the letters of options."""
        if self.style == "official":
            try:
                model.forms.choices(Choices(("A", "B", "C", "D")))
            except InvalidInput as error:
                raise InvalidInput(
                    "prompt",
                    f"{model.name} cannot answer with a letter ({error}); choose --prompt choices",
                ) from None

    def reserve(self, model: VideoModel, items: Collection[Item]) -> int:
        """Positions that the longest of these questions takes, with its answer: at least as many
        as a memory reserves by itself.
        """
        official = self.style == "official"
        prompts = {item.prompt if official else item.question for item in items}
        prompts |= {item.watch.prompt for item in items if item.watch is not None}
        longest = sorted(prompts, key=len)[-_LONGEST:]
        most = max((len(model.prompt_ids(prompt)) for prompt in longest), default=0)
        return max(position_reserve(model), most + self.max_tokens + _CHOICE_TOKENS)

    def ask(self, memory: Memory, item: Item) -> Said:
        """The answer to an item as it is asked once."""
        choices = self._choices(item)
        if self.style == "choices":
            if not choices:
                return self._written(memory, item.question)
            return self._chosen(memory, item, choices)
        said = self._written(memory, item.prompt)
        if not (choices and self.probabilities):
            return said
        letters = choices if choices == _YES_NO else item.letters
        found = memory.choose(item.prompt, letters)
        shares = tuple(round(one.probability, _DIGITS) for one in found)
        return Said(said.text, shares, False, said.first_s, said.whole_s)

    def poll(self, memory: Memory, item: Item, at_s: float) -> tuple[list[Poll], Said]:
        """Ask a watched item at a moment; and if the answer is yes, for what it is waited."""
        assert item.watch is not None
        said = self.ask(memory, item)
        polls = [Poll(at_s, item.question, said.text)]
        if says_yes(said.text):
            prompt = item.watch.prompt
            spoken = self._written(memory, prompt)
            polls.append(Poll(at_s, prompt, spoken.text))
            said = Said(spoken.text, said.probabilities, said.chosen, said.first_s, said.whole_s)
        return polls, said

    def _choices(self, item: Item) -> tuple[str, ...]:
        if item.rule in ("yes-no", "moment"):
            return _YES_NO
        return item.options

    def _written(self, memory: Memory, prompt: str) -> Said:
        began = time.perf_counter()
        first = None
        pieces = []
        for piece in memory.answer(prompt, self.max_tokens):
            first = time.perf_counter() if first is None else first
            pieces.append(piece)
        ended = time.perf_counter()
        return Said("".join(pieces), (), False, (first or ended) - began, ended - began)

    def _chosen(self, memory: Memory, item: Item, choices: tuple[str, ...]) -> Said:
        began = time.perf_counter()
        asked = tuple(one.lower() for one in choices) if choices == _YES_NO else choices
        found = [one.probability for one in memory.choose(item.question, asked)]
        took = time.perf_counter() - began
        best = found.index(max(found))
        text = choices[best] if choices == _YES_NO else item.letters[best]
        return Said(text, tuple(round(one, _DIGITS) for one in found), True, took, took)
