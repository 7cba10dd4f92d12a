"""The choices of a question as a model's tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.question import Choices
from hermes.vlm.plain_text import PlainText

_FIELD = "question.choices"


@dataclass(frozen=True, slots=True)
class ChoiceTokens:
    """Texts of which one is the answer, each with its token ids.

    `end_ids`: the tokens of which any ends an answer.
    """

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    end_ids: tuple[int, ...]

    @classmethod
    def of(cls, choices: Choices, plain: PlainText, end_ids: Collection[int]) -> ChoiceTokens:
        """Raises `InvalidInput` if the model cannot write a choice, or cannot tell two apart."""
        found: dict[tuple[int, ...], str] = {}
        for text in choices.texts:
            ids = tuple(plain.whole(text.strip()) or ())
            if not ids:
                raise InvalidInput(_FIELD, f"this model knows no tokens for {text!r}")
            if ids in found:
                raise InvalidInput(
                    _FIELD, f"{found[ids]!r} and {text!r} are the same tokens for this model"
                )
            found[ids] = text
        return cls(choices.texts, tuple(found), tuple(sorted(end_ids)))

    @property
    def longest(self) -> int:
        """Tokens of the longest choice, with the end of the answer."""
        return max(map(len, self.ids)) + 1

    def check_length(self, most: int) -> None:
        """Raises `InvalidInput` if a choice has more tokens than an answer may have."""
        for text, ids in zip(self.texts, self.ids, strict=True):
            if len(ids) + 1 > most:
                raise InvalidInput(
                    _FIELD, f"{text!r} has {len(ids) + 1} tokens with its end; at most {most}"
                )
