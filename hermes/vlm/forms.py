"""What a model makes of the form that an answer is to have."""

from __future__ import annotations

from typing import Any

from hermes.errors import Unsupported
from hermes.question import Choices, Form
from hermes.vlm.choice_tokens import ChoiceTokens
from hermes.vlm.decoding import Decoding
from hermes.vlm.plain_text import PlainText

Prepared = ChoiceTokens


class Forms:
    """Prepares forms for one model, on the thread that asks. Thread-safe."""

    def __init__(self, tokenizer: Any, decoding: Decoding) -> None:
        self._plain = PlainText(tokenizer)
        self._decoding = decoding

    def prepare(self, form: Form | None) -> Prepared | None:
        """What an answer of this form needs; None for free text.

        Raises `InvalidInput` for a form that no answer of this model can have.
        """
        if form is None:
            return None
        if isinstance(form, Choices):
            return self.choices(form)
        raise Unsupported("answers in a schema are not supported yet")

    def choices(self, choices: Choices) -> ChoiceTokens:
        """Choices as tokens. Raises `InvalidInput` as `prepare`."""
        return ChoiceTokens.of(choices, self._plain, self._decoding.end_ids)
