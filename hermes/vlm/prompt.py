"""A model's chat template: what comes before a stream, and what after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermes.errors import InvalidInput, Unsupported
from hermes.vlm.answer_text import END_THINK, THINK
from hermes.vlm.model_folder import read_json
from hermes.vlm.plain_text import PlainText

_MARK = "\u2063question\u2063"  # invisible separators: no template and no user writes this


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A chat template, split at the video and the question.

    `prefix`: the text before the video (the pinned prefix). `before`: the text
    between video and question. `after`: the text from the question to where the
    model begins to answer.
    """

    prefix: str
    before: str
    after: str

    @classmethod
    def from_checkpoint(cls, folder: Path, tokenizer: Any, video_token: str) -> PromptTemplate:
        """Render the checkpoint's template once, with marks, and split it there.

        Where the template has a switch for reasoning, it is off.
        """
        template = _find_template(folder, tokenizer)
        content = [{"type": "video"}, {"type": "text", "text": _MARK}]
        try:
            rendered: str = tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                chat_template=template,
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
            )
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
        return cls(prefix, before, after)

    @property
    def thinking(self) -> bool:
        """Whether the model begins to answer in the midst of its reasoning."""
        return self.after.rfind(THINK) > self.after.rfind(END_THINK)

    def prefix_ids(self, tokenizer: Any) -> list[int]:
        """Token ids of everything before the video."""
        ids: list[int] = tokenizer(self.prefix, add_special_tokens=False)["input_ids"]
        return ids

    def prompt_ids(self, tokenizer: Any, question: str, video_id: int) -> list[int]:
        """Token ids of the whole prompt. `video_id` stands for all tokens of the video."""
        asked = self.question_ids(tokenizer, question)
        return [*self.prefix_ids(tokenizer), video_id, *asked]

    def question_ids(self, tokenizer: Any, question: str) -> list[int]:
        """Token ids of everything after the video.

        The question is data: added tokens in it are read as plain characters,
        so that it cannot end its own turn.
        """
        text = question.strip()
        if not text:
            raise InvalidInput("question.text", "is empty; ask something")
        plain = tokenizer(self.before, add_special_tokens=False)["input_ids"]
        asked = PlainText(tokenizer).ids(text)
        closing = tokenizer(self.after, add_special_tokens=False)["input_ids"]
        return [*plain, *asked, *closing]


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
