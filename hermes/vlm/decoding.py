"""How a model's makers want its tokens to be chosen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import Any

from hermes.errors import InvalidInput

log = logging.getLogger(__name__)

_NOT_HONOURED = ("no_repeat_ngram_size", "bad_words_ids", "suppress_tokens", "min_new_tokens")


@dataclass(frozen=True, slots=True)
class Decoding:
    """What a generation configuration says about greedy decoding.

    `vocabulary`: how many tokens have logits. `end_ids`: tokens that end an
    answer. `repetition_penalty`: what the logits of tokens that were seen or said
    before are divided by (or multiplied with, if negative); 1 is none.
    """

    vocabulary: int
    end_ids: frozenset[int] = frozenset()
    repetition_penalty: float = 1.0

    @classmethod
    def of(cls, model: Any, name: str) -> Decoding:
        """From a transformers model. Its sampling is not honoured: answers are greedy."""
        found = model.generation_config
        penalty = found.repetition_penalty
        penalty = 1.0 if penalty is None else penalty
        if not isinstance(penalty, int | float) or not 0 < penalty < inf:
            raise InvalidInput("model", f"{name}: a repetition_penalty of {penalty!r} is not valid")
        if ignored := [field for field in _NOT_HONOURED if getattr(found, field, None)]:
            log.warning("%s: not honoured in its generation_config: %s", name, ", ".join(ignored))
        ends = found.eos_token_id
        end_ids = [] if ends is None else ends if isinstance(ends, list | tuple) else [ends]
        if not all(type(token) is int for token in end_ids):
            raise InvalidInput("model", f"{name}: an eos_token_id of {ends!r} is not valid")
        return cls(
            vocabulary=int(model.config.text_config.vocab_size),
            end_ids=frozenset(end_ids),
            repetition_penalty=float(penalty),
        )
