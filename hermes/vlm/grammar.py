"""Answers that keep a JSON Schema or match a regular expression, by `llguidance`."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hermes.errors import HermesError, InvalidInput, Unsupported
from hermes.question import JsonSchema, Regex
from hermes.vlm.left_open import OpenToken, open_token
from hermes.vlm.spelling import Spelling

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_SPACES = r"\n? {0,8}"
"""Between the tokens of JSON: enough for indented JSON, but no answer of spaces alone."""

_JSON: JsonCompileOptions = {
    "item_separator": ",",
    "key_separator": ":",
    "whitespace_pattern": _SPACES,
    "lenient": False,
    "coerce_one_of": False,
}
_MOST_SYMBOLS = 100_000
_MOST_STATES = 50_000
"""At about 2 kB each."""

_MOST_SPELLED = 256
"""Characters of a text that must come which are looked up at each step."""

_MOST_OF_A_REASON = 200
"""Characters."""

_FUEL_OF_A_STEP = 100_000
"""Some 7 ms."""


class Grammars:
    """Compiles grammars for one model. Thread-safe."""

    def __init__(self, spelling: Spelling) -> None:
        try:
            import llguidance
        except ImportError as error:
            raise Unsupported(
                "answers of a form need llguidance: install the extra `memory`"
            ) from error

        self._spelling = spelling
        self._tokenizer = llguidance.LLTokenizer(
            llguidance.TokenizerWrapper(_Tokens(spelling)),
            eos_token=_ends(spelling),
        )
        self._limits = llguidance.LLParserLimits(
            max_grammar_size=_MOST_SYMBOLS,
            max_lexer_states=_MOST_STATES,
            step_lexer_fuel=_FUEL_OF_A_STEP,
            verbose_errors=False,
        )
        self._matcher = llguidance.LLMatcher

    def compile(self, form: JsonSchema | Regex) -> Grammar:
        """Raises `InvalidInput` if it is no schema or expression, or one that nothing can keep."""
        if isinstance(form, JsonSchema):
            field, kind = "question.json_schema", "JSON Schema"
            grammar = self._matcher.grammar_from_json_schema(_schema(form.schema), overrides=_JSON)
        else:
            field, kind = "question.regex", "regular expression"
            grammar = self._matcher.grammar_from_regex(form.pattern)
        matcher = self._matcher(self._tokenizer, grammar, limits=self._limits, log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()
        if matcher.is_error():
            raise InvalidInput(field, f"is no usable {kind}: {_reason(matcher.get_error())}")
        return Grammar(field, matcher, self._spelling)


def _schema(text: str) -> str:
    """A schema as an object. Raises `InvalidInput` if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("question.json_schema", f"cannot be read as JSON: {error}") from None
    if found is True:
        return "{}"
    if found is False:
        raise InvalidInput("question.json_schema", "is false, so that nothing can match it")
    if not isinstance(found, dict):
        raise InvalidInput("question.json_schema", "must be a JSON object")
    return text


class Grammar:
    """A compiled grammar. Each answer follows a copy of it."""

    def __init__(self, field: str, matcher: Any, spelling: Spelling) -> None:
        self.spelling = spelling
        self._field = field
        self._matcher = matcher

    def begin(self) -> GrammarState:
        """The state of an answer that has not begun."""
        return GrammarState(self._field, self._matcher.deep_copy(), self.spelling)


class GrammarState:
    """How far an answer is in its grammar. Used by one thread at a time."""

    def __init__(self, field: str, matcher: Any, spelling: Spelling) -> None:
        self.spelling = spelling
        self.failure: HermesError | None = None
        """Why the answer cannot go on."""
        self.left_open: list[OpenToken] = []
        """The tokens so far at which the grammar allowed others."""
        self._taken = 0
        self._mask: bytes | None = None
        self._field = field
        self._matcher = matcher
        self._ends = frozenset(spelling.ends)
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @property
    def complete(self) -> bool:
        """Whether the text so far is an answer of this form."""
        return self.failure is None and bool(self._matcher.is_accepting())

    @property
    def over(self) -> bool:
        """Whether the text so far is an answer of this form, and nothing can follow."""
        return self.complete and bool(self._matcher.is_stopped())

    def mask(self) -> bytes:
        """Which pieces may come next, a bit each; only the end after a failure."""
        if self.failure is None:
            found: bytes = self._matcher.compute_bitmask()
            self._check()
            if self.failure is None:
                self._mask = found
                return found
        only = bytearray((len(self.spelling.pieces) + 31) // 32 * 4)
        for end in self.spelling.ends:
            only[end // 8] |= 1 << end % 8
        return bytes(only)

    def take(self, piece: int) -> str:
        """Go on by one piece, of those that `mask` allowed. Returns the text that it completes."""
        if self._mask is not None:
            token = open_token(self._taken, piece, self._mask, self.spelling)
            self.left_open += [] if token is None else [token]
        self._taken, self._mask = self._taken + 1, None
        if self.failure is None and not self._matcher.is_stopped():
            self._matcher.consume_token(piece)
            self._check()
        if piece in self._ends:
            return ""
        return self._text.decode(self.spelling.pieces[piece])

    def _check(self) -> None:
        if self._matcher.is_error():
            said = _reason(self._matcher.get_error())
            self.failure = InvalidInput(self._field, f"is too complex: {said}")


class _Tokens:
    """A spelling in the words of `llguidance`."""

    bos_token_id = None

    def __init__(self, spelling: Spelling) -> None:
        spare = () if spelling.ends else (b"",)
        self.tokens: Sequence[bytes] = (*spelling.pieces, *spare)
        self.eos_token_id = _ends(spelling)[0]
        self.special_token_ids = sorted({*spelling.never, *_ends(spelling)})
        self._pieces_of = spelling.pieces_of
        single = {piece: number for number, piece in enumerate(spelling.pieces) if len(piece) == 1}
        self._bytes = [single.get(bytes([byte])) for byte in range(256)]

    def __call__(self, text: str) -> list[int]:
        """In which pieces to write a text that must come. Only the first of them counts."""
        rest = [self._bytes[byte] for byte in text[_MOST_SPELLED:].encode()]
        numbers = [number for number in rest if number is not None]
        if len(numbers) < len(rest):
            return self._pieces_of(text)
        return self._pieces_of(text[:_MOST_SPELLED]) + numbers


def _ends(spelling: Spelling) -> list[int]:
    """Pieces that end an answer; for a model without one, a number that is no piece."""
    return list(spelling.ends) or [len(spelling.pieces)]


def _reason(text: str) -> str:
    """What an error of `llguidance` says, without where it says so."""
    lines = text.strip().splitlines() or [""]
    said = next((line for line in lines if line.startswith("error: ")), lines[0])
    said = said.removeprefix("error: ")
    return "nothing can match it" if said.startswith("NoExtension") else said[:_MOST_OF_A_REASON]
