"""A person's text as token ids: whatever it says, none of them controls the model."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer


class PlainText:
    """A model's tokenizer without its added tokens.

    Added tokens (`<|im_end|>`, `<think>`, `<tool_call>`) mark turns, pictures,
    reasoning and tools. A tokenizer calls only some of them special, and would
    find the others in a question. Here all of them are text.
    """

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer`: a fast one of transformers."""
        known = tokenizer.backend_tokenizer
        self._added = frozenset(known.get_added_tokens_decoder())
        self._plain = Tokenizer(known.model)
        if known.normalizer is not None:
            self._plain.normalizer = known.normalizer
        if known.pre_tokenizer is not None:
            self._plain.pre_tokenizer = known.pre_tokenizer

    def ids(self, text: str) -> list[int]:
        """The token ids of `text`."""
        encoded = self._plain.encode(text, add_special_tokens=False)
        found: list[int] = encoded.ids
        if self._added.isdisjoint(found):
            return found
        # An added token can be in the vocabulary as well, and be found whole there. So can
        # be the one that stands for an unknown word: the words around it stay.
        ids: list[int] = []
        for id, (start, end) in zip(found, encoded.offsets, strict=True):
            if id not in self._added:
                ids.append(id)
                continue
            ids += [one for character in text[start:end] for one in self._ids_of(character)]
        return ids

    def whole(self, text: str) -> list[int] | None:
        """As `ids`; None if the tokenizer does not know a part of the text."""
        found: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        if self._added.isdisjoint(found):
            return found
        parts = [self._ids_of(character) for character in text if not character.isspace()]
        return self.ids(text) if all(parts) else None

    def _ids_of(self, character: str) -> list[int]:
        found: list[int] = self._plain.encode(character, add_special_tokens=False).ids
        return [id for id in found if id not in self._added]
