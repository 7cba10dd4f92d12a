"""A model's chat template: what comes before a stream, and what after it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput, Unsupported
from hermes.question import Turn
from hermes.vlm.answer_text import END_THINK, THINK
from hermes.vlm.model_folder import read_json
from hermes.vlm.plain_text import PlainText

log = logging.getLogger(__name__)

_MARK = "\u2063text\u2063"  # invisible separators: no template and no user writes this
_NO_REASONING = f"\n{END_THINK}\n\n"
_CHARACTERS_PER_TOKEN = 256
"""No token of any vocabulary has more."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A chat template, split at the video and at what people and the model say.

    `prefix`: the text before the video (the pinned prefix). `before`: the text
    between video and question. `after`: the text from the question to where the
    model begins to answer. `to_answer`, `to_question`: the text from an earlier
    question to its answer, and from there to the next question; None if the template
    knows no earlier turns.
    """

    prefix: str
    before: str
    after: str
    to_answer: str | None = None
    to_question: str | None = None

    @classmethod
    def from_checkpoint(cls, folder: Path, tokenizer: Any, video_token: str) -> PromptTemplate:
        """Render the checkpoint's template with marks, and split it there.

        Where the template has a switch for reasoning, it is off.
        """
        template = _find_template(folder, tokenizer)
        try:
            rendered = _rendered(tokenizer, template, turns=0)
        except Exception as error:  # a template is a program, and may fail in any way
            raise Unsupported(
                f"the chat template in {folder} cannot be rendered: {error}"
            ) from error
        if rendered.count(video_token) != 1 or rendered.count(_MARK) != 1:
            raise Unsupported(
                f"the chat template in {folder} does not place one {video_token} and one question"
            )
        prefix, rest = rendered.split(video_token)
        before, after = rest.split(_MARK)
        single = tuple(rendered.split(_MARK))
        return cls(prefix, before, after, *_between_turns(tokenizer, template, single))

    @classmethod
    def without_video(cls, folder: Path, tokenizer: Any) -> PromptTemplate | None:
        """The same template for a prompt of text alone; None if it knows none.

        The prefix is the text before the question.
        """
        template = _find_template(folder, tokenizer)
        try:
            single = tuple(_rendered(tokenizer, template, turns=0, video=False).split(_MARK))
        except Exception as error:  # a template is a program, and may fail in any way
            log.debug("a chat template fails without a video: %s", error)
            return None
        if len(single) != 2 or not single[0].strip():
            return None
        prefix = single[0].rstrip(" ")
        between = _between_turns(tokenizer, template, single, video=False)
        return cls(prefix, single[0][len(prefix) :], single[1], *between)

    @property
    def thinking(self) -> bool:
        """Whether the model begins to answer in the midst of its reasoning."""
        return self.after.rfind(THINK) > self.after.rfind(END_THINK)

    def prefix_ids(self, tokenizer: Any) -> list[int]:
        """Token ids of everything before the video."""
        ids: list[int] = tokenizer(self.prefix, add_special_tokens=False)["input_ids"]
        return ids

    def prompt_ids(
        self,
        tokenizer: Any,
        question: str,
        video_id: int,
        turns: Sequence[Turn] = (),
        *,
        reasoning: bool = True,
    ) -> list[int]:
        """Token ids of the whole prompt. `video_id` stands for all tokens of the video."""
        asked = self.question_ids(tokenizer, question, turns, reasoning=reasoning)
        return [*self.prefix_ids(tokenizer), video_id, *asked]

    def question_ids(
        self,
        tokenizer: Any,
        question: str,
        turns: Sequence[Turn] = (),
        *,
        reasoning: bool = True,
    ) -> list[int]:
        """Token ids of everything after the video: earlier `turns`, oldest first, and the question.

        What people and the model said is data: added tokens in it are read as plain
        characters, so that it cannot end its own turn. Without `reasoning`, a model that
        begins with it finds an empty one, and begins with its answer.
        """
        text = question.strip()
        if not text:
            raise InvalidInput("question.text", "is empty; ask something")
        plain, ids, before = PlainText(tokenizer), [], self.before
        for turn in turns:
            ids += self._turn_ids(tokenizer, plain, before, turn)
            before = self.to_question or ""
        after = self.after if reasoning or not self.thinking else self.after + _NO_REASONING
        ids += _piece_ids(tokenizer, plain, before, text)
        closing: list[int] = tokenizer(after, add_special_tokens=False)["input_ids"]
        return ids + closing

    def _turn_ids(self, tokenizer: Any, plain: PlainText, before: str, turn: Turn) -> list[int]:
        """Token ids of an earlier question, with what is `before` it, and its answer."""
        if self.to_answer is None:
            raise Unsupported("this model's chat template knows no earlier turns; ask without them")
        if not turn.question.strip():
            raise InvalidInput("question.turns", "has an empty question")
        asked = _piece_ids(tokenizer, plain, before, turn.question.strip())
        return asked + _piece_ids(tokenizer, plain, self.to_answer, turn.answer.strip())

    def newest_turns(self, tokenizer: Any, turns: Sequence[Turn], room: int) -> tuple[Turn, ...]:
        """The newest of `turns` that have together at most about `room` tokens."""
        plain, between = PlainText(tokenizer), self.to_question or ""
        for count, turn in enumerate(reversed(turns)):
            if len(turn.question) + len(turn.answer) > room * _CHARACTERS_PER_TOKEN:
                return tuple(turns[len(turns) - count :])
            room -= len(self._turn_ids(tokenizer, plain, between, turn))
            if room < 0:
                return tuple(turns[len(turns) - count :])
        return tuple(turns)


def _between_turns(
    tokenizer: Any, template: str, single: tuple[str, ...], *, video: bool = True
) -> tuple[str, ...]:
    """What a template writes after an earlier question, and after its answer; or nothing.

    `single`: what is before and after the question of a conversation without earlier turns.
    """
    for as_text in (False, True):
        try:
            rendered = _rendered(tokenizer, template, turns=2, as_text=as_text, video=video)
        except Exception as error:  # a template is a program, and may fail in any way
            log.debug("a chat template fails at earlier turns: %s", error)
            continue
        parts = rendered.split(_MARK)
        if parts[1:3] == parts[3:5] and (parts[0], *parts[5:]) == single:
            return parts[1], parts[2]
    return ()


def _piece_ids(tokenizer: Any, plain: PlainText, before: str, text: str) -> list[int]:
    """Token ids of a piece of the template, and of a text that follows it.

    Spaces at the end of the piece are often one token with the text's first word.
    """
    lead = len(before) - len(before.rstrip(" ")) if text else 0
    piece: list[int] = tokenizer(before[: len(before) - lead], add_special_tokens=False)[
        "input_ids"
    ]
    return piece + plain.ids(" " * lead + text)


def _rendered(
    tokenizer: Any, template: str, *, turns: int, as_text: bool = False, video: bool = True
) -> str:
    """A conversation with a mark for each question and answer; `as_text`: answers are no lists."""
    text = {"type": "text", "text": _MARK}
    first = [{"type": "video"}, text] if video else [text]
    messages: list[dict[str, Any]] = [{"role": "user", "content": first}]
    for _ in range(turns):
        messages.append({"role": "assistant", "content": _MARK if as_text else [text]})
        messages.append({"role": "user", "content": [text]})
    rendered: str = tokenizer.apply_chat_template(
        messages,
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    return rendered


def _find_template(folder: Path, tokenizer: Any) -> str:
    jinja, legacy = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.is_file():
        return jinja.read_text()
    if legacy.is_file():
        return str(read_json(legacy).get("chat_template"))
    named = tokenizer.chat_template  # several, of which one has the name "default"; or the one
    template = named.get("default") if isinstance(named, dict) else named
    if template:
        return str(template)
    raise Unsupported(f"{folder} has no chat template: not a complete checkpoint")
