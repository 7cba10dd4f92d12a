"""What a model makes of the form that an answer is to have."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any

from hermes.errors import Unsupported
from hermes.question import Choices, Form, JsonSchema, Regex
from hermes.vlm.choice_tokens import ChoiceTokens
from hermes.vlm.decoding import Decoding
from hermes.vlm.grammar import Grammar, Grammars
from hermes.vlm.plain_text import PlainText
from hermes.vlm.spelling import Spelling

log = logging.getLogger(__name__)

Prepared = ChoiceTokens | Grammar

_REMEMBERED = 32
"""Compiled grammars, the most recently used ones."""


class Forms:
    """Prepares forms for one model, on the thread that asks. Thread-safe."""

    def __init__(self, tokenizer: Any, decoding: Decoding) -> None:
        self._tokenizer = tokenizer
        self._plain = PlainText(tokenizer)
        self._decoding = decoding
        self._grammars: Grammars | None = None
        self._compiled: OrderedDict[JsonSchema | Regex, Grammar] = OrderedDict()
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Look through the vocabulary now: a second or two, which the first schema would take."""
        try:
            self.grammar(Regex("a"))
        except Unsupported as error:
            log.info("no answers in schemas: %s", error)

    def prepare(self, form: Form | None) -> Prepared | None:
        """What an answer of this form needs; None for free text.

        Raises `InvalidInput` for a form that no answer of this model can have, and
        `Unsupported` for a model that cannot write any.
        """
        if form is None:
            return None
        return self.choices(form) if isinstance(form, Choices) else self.grammar(form)

    def choices(self, choices: Choices) -> ChoiceTokens:
        """Choices as tokens. Raises `InvalidInput` as `prepare`."""
        return ChoiceTokens.of(choices, self._plain, self._decoding.end_ids)

    def grammar(self, form: JsonSchema | Regex) -> Grammar:
        """A compiled grammar, remembered for a while. Raises as `prepare`."""
        with self._lock:
            if (known := self._compiled.get(form)) is not None:
                self._compiled.move_to_end(form)
                return known
            if self._grammars is None:
                self._grammars = Grammars(Spelling.of(self._tokenizer, self._decoding))
            grammars = self._grammars
        made = grammars.compile(form)
        with self._lock:
            self._compiled[form] = made
            while len(self._compiled) > _REMEMBERED:
                self._compiled.popitem(last=False)
        return made
