"""A question, as one value from the door to the device. No torch: the gateway has none."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.sampling import GREEDY, Sampling

MAX_CHOICES = 64
MAX_CHOICE_CHARACTERS = 256
MAX_EVIDENCE_FRAMES = 16
MAX_GRAMMAR_CHARACTERS = 64 * 1024
MAX_TURNS = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a conversation, and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, both ends included; None: open at that end.

    In ms of capture time since the Unix epoch or, if `media`, from the start of the file.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    media: bool = False

    def __post_init__(self) -> None:
        if self.start_ms is None and self.end_ms is None:
            raise InvalidInput("question.span", "has neither a start nor an end")
        if self.start_ms is not None and self.end_ms is not None and self.start_ms > self.end_ms:
            raise InvalidInput("question.span", "ends before it starts")


@dataclass(frozen=True, slots=True)
class Choices:
    """The answer is one of these texts."""

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        field = "question.choices"
        if not 2 <= len(self.texts) <= MAX_CHOICES:
            raise InvalidInput(field, f"has {len(self.texts)} texts; 2 to {MAX_CHOICES} are needed")
        for text in self.texts:
            if not text.strip() or len(text) > MAX_CHOICE_CHARACTERS:
                raise InvalidInput(
                    field, f"each must have 1 to {MAX_CHOICE_CHARACTERS} characters, not all spaces"
                )
        if len({text.strip() for text in self.texts}) < len(self.texts):
            raise InvalidInput(field, "has the same text twice")


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The answer is a JSON value that keeps this JSON Schema, given as text."""

    schema: str

    def __post_init__(self) -> None:
        _check_grammar("question.json_schema", self.schema)


@dataclass(frozen=True, slots=True)
class Regex:
    """The whole answer matches this regular expression."""

    pattern: str

    def __post_init__(self) -> None:
        _check_grammar("question.regex", self.pattern)


Form = Choices | JsonSchema | Regex
"""What an answer looks like. None of them: free text."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one camera's memory.

    `max_tokens`: of the answer; 0 is the engine's limit. `turns`: earlier ones,
    oldest first. `span`: answer from what was captured within it alone.
    `form`: None is free text. `evidence`: how many frames to name on which the
    answer rests.
    """

    text: str
    max_tokens: int = 0
    turns: tuple[Turn, ...] = ()
    span: Span | None = None
    form: Form | None = None
    evidence: int = 0
    sampling: Sampling = GREEDY

    def __post_init__(self) -> None:
        if len(self.turns) > MAX_TURNS:
            raise InvalidInput("question.turns", f"has {len(self.turns)}; at most {MAX_TURNS}")
        if not 0 <= self.evidence <= MAX_EVIDENCE_FRAMES:
            raise InvalidInput("question.evidence", f"at most {MAX_EVIDENCE_FRAMES} frames")


def _check_grammar(field: str, text: str) -> None:
    if not text.strip():
        raise InvalidInput(field, "is empty")
    if len(text) > MAX_GRAMMAR_CHARACTERS:
        raise InvalidInput(
            field, f"has {len(text)} characters; at most {MAX_GRAMMAR_CHARACTERS} are allowed"
        )
