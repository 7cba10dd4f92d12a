"""The question that asks for one answer made of several cameras' answers. Plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hermes.errors import InvalidInput

SHORTEST = 40
"""Characters: answers are left out before all of them are cut to less than this."""


@dataclass(frozen=True, slots=True)
class CameraAnswer:
    """What one camera answered."""

    camera_id: str
    text: str
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class MergedQuestion:
    """`shortened`: how many answers were cut or left out, because they had no room."""

    text: str
    shortened: int


def merged_question(
    question: str, answers: Sequence[CameraAnswer], tokens_of: Callable[[str], int], room: int
) -> MergedQuestion:
    """A text of at most `room` tokens.

    The longest answers are cut first, all to the same length. If that does not help,
    the last ones are left out. Raises `InvalidInput` if the question leaves no room
    for any.
    """
    lines = [_Line(name, " ".join(one.text.split())) for name, one in _named(answers)]
    limit = max((len(line.text) for line in lines), default=0)
    kept = list(lines)
    while tokens_of(text := _text(question, kept)) > room:
        if not kept:
            break
        if limit > SHORTEST:
            limit = max(SHORTEST, 3 * limit // 4)
        else:
            kept = kept[: len(kept) * 3 // 4]
        kept = [line.cut(limit) for line in lines[: len(kept)]]
    if not kept:
        raise InvalidInput("question.text", "leaves no room for the cameras' answers")
    whole = sum(line == before for line, before in zip(kept, lines, strict=False))
    return MergedQuestion(text, len(lines) - whole)


@dataclass(frozen=True, slots=True)
class _Line:
    """One camera's answer, in one line: no camera can write lines in the name of another."""

    name: str
    text: str

    def cut(self, characters: int) -> _Line:
        """The same with a text of at most so many characters, between words if it can be."""
        if len(self.text) <= characters:
            return self
        start, _, rest = self.text[: characters + 1].rpartition(" ")
        return replace(self, text=f"{start or rest[:characters]} ...")


def _named(answers: Sequence[CameraAnswer]) -> list[tuple[str, CameraAnswer]]:
    """Each answer with the name of its camera: what people call it, if that is only one camera."""
    names = Counter(one.display_name for one in answers)
    return [
        (one.camera_id, one)
        if not one.display_name
        else (one.display_name, one)
        if names[one.display_name] == 1
        else (f"{one.display_name} ({one.camera_id})", one)
        for one in answers
    ]


def _text(question: str, lines: Sequence[_Line]) -> str:
    answers = "\n".join(f"{line.name}: {line.text}" for line in lines)
    return (
        f"Several cameras were asked: {question.strip()}\n\n"
        f"Their answers:\n{answers}\n\n"
        "Give one answer to the question, from these answers alone. Name the cameras."
    )
