"""A model that is asked about text alone, without a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from hermes.errors import Unsupported
from hermes.question import Turn
from hermes.vlm.base import VideoModel
from hermes.vlm.prompt import PromptTemplate


class TextOnly:
    """`model`, with prompts of text alone. Everything else is the model's own."""

    def __init__(self, model: VideoModel, template: PromptTemplate) -> None:
        self._model = model
        self.template = template

    @classmethod
    def of(cls, model: VideoModel) -> VideoModel:
        """Raises `Unsupported` if the model's chat template knows no prompt without a video."""
        if model.text_template is None:
            raise Unsupported(
                f"{model.name}: its chat template knows no question without a video, so it cannot"
                " merge answers"
            )
        return cast(VideoModel, cls(model, model.text_template))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def prefix(self) -> Tensor:
        """Inputs [n, width] of everything before the question."""
        return self._model.embed(self.template.prefix_ids(self._model.tokenizer))

    def question(self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True) -> Tensor:
        """Inputs [n, width] of earlier turns, and of this question."""
        tokenizer = self._model.tokenizer
        ids = self.template.question_ids(tokenizer, text, turns, reasoning=reasoning)
        return self._model.embed(ids)

    def prompt_ids(
        self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True
    ) -> list[int]:
        """Token ids of all that precedes the answer to this question."""
        tokenizer = self._model.tokenizer
        asked = self.template.question_ids(tokenizer, text, turns, reasoning=reasoning)
        return [*self.template.prefix_ids(tokenizer), *asked]
