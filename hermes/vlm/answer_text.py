"""The text of an answer, token by token, apart from the reasoning before it."""

from __future__ import annotations

from typing import Any

THINK, END_THINK = "<think>", "</think>"


class AnswerText:
    """`hermes.vlm.base.TextStream` over a fast tokenizer, without special tokens.

    A model that thinks writes its reasoning between `<think>` and `</think>`.
    That is counted and kept, but it is not part of the answer.
    """

    def __init__(self, tokenizer: Any, thinking: bool = False) -> None:
        """`thinking`: the model begins in the midst of its reasoning.

        Without a token that ends it, all of its text is the answer.
        """
        from tokenizers.decoders import DecodeStream

        self._backend = tokenizer.backend_tokenizer
        self._answer = DecodeStream(skip_special_tokens=True)
        self._reasons = DecodeStream(skip_special_tokens=True)
        added = tokenizer.get_added_vocab()
        self._think, self._end_think = added.get(THINK), added.get(END_THINK)
        self._thinking = thinking and self._end_think is not None
        self._after_reasoning = False
        self._pieces: list[str] = []
        self._count = 0

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(self._pieces).strip()

    @property
    def reasoning_tokens(self) -> int:
        """How many tokens it took, its marks included."""
        return self._count

    def push(self, token_id: int) -> str:
        """The answer's text that this token completes; empty while the model thinks."""
        mark = token_id in (self._think, self._end_think)
        if mark or self._thinking:
            self._count += 1
        if mark:
            self._thinking = token_id == self._think
            self._after_reasoning = not self._thinking
            return ""
        if self._thinking:
            self._pieces.append(self._reasons.step(self._backend, token_id) or "")
            return ""
        text = self._answer.step(self._backend, token_id) or ""
        if self._after_reasoning:
            text = text.lstrip()  # the empty lines between the two
            self._after_reasoning = not text
        return text
