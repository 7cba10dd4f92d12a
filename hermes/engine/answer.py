"""One question, and the state of its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

from hermes.choices import ChoiceProbability
from hermes.engine.evidence import Evidence
from hermes.engine.session import Session
from hermes.errors import AnswerCut, HermesError
from hermes.memory import Branch, Coverage, FrameStamp, SpanCoverage
from hermes.question import Question
from hermes.vlm import ChosenToken, TextStream
from hermes.vlm.grammar import GrammarState
from hermes.vlm.scoring import Scoring
from hermes.vlm.stop_texts import StopTexts

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer, the text that it completed, and its log-probability.

    Several tokens can make one character: its text is then with the last of them.
    """

    token: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """Facts about a complete answer. Times are in seconds.

    `warm_ttft_s`: time to the first token, from the moment the memory was ready
    for the question. `fresh_ttft_s`: the same from the moment the engine received
    the question, so it includes the wait for frames. `queue_s`: time between
    ready and started, spent on other work of the device. `reasoning`: what a model
    that thinks wrote before the answer; its tokens are among the answer's.
    `logprobs`: of the answer's tokens, without its reasoning and the token that ended
    it; empty unless they were asked for. `choices`: in the order they were asked for;
    empty without choices. `dropped_turns`: how many of the oldest turns had no room.
    """

    finish_reason: FinishReason
    question_tokens: int
    answer_tokens: int
    coverage: Coverage
    warm_ttft_s: float
    fresh_ttft_s: float
    queue_s: float
    inter_token_s: tuple[float, ...] = ()
    reasoning: str = ""
    reasoning_tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    span: SpanCoverage | None = None
    evidence: Evidence | None = None
    answer_id: str = ""
    choices: tuple[ChoiceProbability, ...] = ()
    dropped_turns: int = 0


class AnswerSink(Protocol):
    """Receives an answer. Called on the device's thread, so each method must return at once."""

    def delta(self, text: str) -> None:
        """More text."""
        ...

    def done(self, result: AnswerResult) -> None:
        """The answer is complete. Nothing follows."""
        ...

    def failed(self, error: HermesError) -> None:
        """The answer failed, before or after its first text. Nothing follows."""
        ...


@dataclass(slots=True, eq=False)
class Answer:
    """A question and the state of its answer. `cancel` may be called from any thread.

    The question says how many tokens the answer may have. `scoring`: of a question
    with choices; `grammar`: of an answer in a schema or a regular expression.
    `standing`: it is asked by itself, again and again, and waits for others.
    `caller`: who asks, by any name; callers take turns. Empty: not known.
    `unread`: how many passes must still read a part of the question.
    `asked`: the inputs of the question; `unread_tokens`: how many of them no pass has read, nor
    the next one reads. `next_input`: what the next pass reads. `ids`: the tokens of the answer.
    `stamps`: of the frames that it sees, if its evidence is wanted. `coverage`, `span`: of what it
    sees, once it has begun. `on_cancel`: called from any thread once it is cancelled.
    """

    session: Session
    question: Question
    sink: AnswerSink
    ready_when: Callable[[str], bool] | None
    received: float
    scoring: Scoring | None = None
    grammar: GrammarState | None = None
    unread: int = 1
    standing: bool = False
    caller: str = ""
    dropped_turns: int = 0
    ready: float = 0.0
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    question_tokens: int = 0
    branch: Branch | None = None
    stream: TextStream | None = None
    next_input: Tensor | None = None
    asked: Tensor | None = None
    unread_tokens: int = 0
    ids: list[int] = field(default_factory=list)
    stamps: Mapping[int, FrameStamp] = field(default_factory=dict)
    choice: int | None = None
    tokens: int = 0
    intervals: list[float] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    span: SpanCoverage | None = None
    over: bool = False
    on_cancel: Callable[[], None] = lambda: None
    cancelled: threading.Event = field(default_factory=threading.Event)
    stops: StopTexts = field(init=False)

    def __post_init__(self) -> None:
        self.stops = StopTexts(self.question.sampling.stop)

    @property
    def reasons(self) -> bool:
        """Whether a model that thinks does so before it answers: not if the answer has a form."""
        return self.question.form is None

    @property
    def room(self) -> int:
        """How many tokens its branch must have room for."""
        further = self.question.max_tokens if self.scoring is None else self.scoring.most_tokens
        return self.question_tokens + further

    @property
    def pass_tokens(self) -> int:
        """How many tokens the next pass reads for it: of its question and its choices."""
        return self.unread_tokens + (0 if self.scoring is None else self.scoring.tokens)

    @property
    def joins(self) -> bool:
        """Whether it may be read together with others about its camera: all see the same."""
        return self.standing and self.question.span is None and not self.question.evidence

    @property
    def camera_id(self) -> str:
        """The camera that the question is about."""
        return self.session.camera_id

    def read(self, tokens: int) -> None:
        """Have the next pass read so many more tokens of the question."""
        assert self.asked is not None
        assert self.branch is not None
        first = self.question_tokens - self.unread_tokens
        own = self.asked[first : first + tokens]
        self.next_input = self.branch.opened_by(own) if self.branch.opens else own
        self.unread_tokens -= tokens

    def cancel(self) -> None:
        """Drop the rest of the answer at the device's next step."""
        self.cancelled.set()
        self.on_cancel()

    def is_ready(self, cursor: str) -> bool:
        """Whether a memory at this cursor holds everything that the question must see."""
        return self.ready_when is None or self.ready_when(cursor)

    def close(self) -> None:
        """Release the branch of the memory."""
        if self.branch is not None:
            self.branch.close()
            self.branch = None

    def write(self, token: ChosenToken) -> str:
        """Add a token to the text. Returns what may be sent of it: nothing from a stop text on."""
        return self.stops.push(self._text_of(token))

    def _text_of(self, token: ChosenToken) -> str:
        assert self.stream is not None
        if token.text is not None:  # of an answer with a grammar, which has no reasoning
            text, thought = token.text, 0
        else:
            thought = self.stream.reasoning_tokens
            text = self.stream.push(token.id)
        if token.logprob is not None and self.stream.reasoning_tokens == thought:
            self.logprobs.append(TokenLogprob(token.id, text, token.logprob))
        return text

    def took_token(self, now: float) -> None:
        """Record one more token."""
        if self.tokens == 0:
            self.first_token = now
        else:
            self.intervals.append(now - self.last_token)
        self.last_token = now
        self.tokens += 1

    def took_scores(self, now: float, values: Sequence[float]) -> str | None:
        """Take what a pass found of the choices. Returns the answer once all are scored."""
        scoring = self.scoring
        assert scoring is not None
        scoring.took(values)
        if not scoring.done:
            return None
        likeliest = scoring.likeliest
        choice = scoring.probabilities[likeliest]
        if self.question.sampling.logprobs:
            for token, logprob in scoring.logprobs(likeliest):
                self._text_of(ChosenToken(token, logprob))
        self.ids = [token for token, _ in scoring.logprobs(likeliest)]
        self.first_token = self.last_token = now
        self.tokens = choice.tokens
        return choice.text

    def cut(self) -> AnswerCut:
        """Why it failed, if it reached its limit before it was complete."""
        return AnswerCut(
            f"the answer reached its limit of {self.question.max_tokens} tokens before it was"
            " complete; allow more, or ask for less"
        )

    def result(self, reason: FinishReason) -> AnswerResult:
        """The result that the sink gets at the end."""
        return AnswerResult(
            finish_reason=reason,
            question_tokens=self.question_tokens,
            answer_tokens=self.tokens,
            coverage=self.coverage,
            warm_ttft_s=self.first_token - self.ready,
            fresh_ttft_s=self.first_token - self.received,
            queue_s=self.started - self.ready,
            inter_token_s=tuple(self.intervals),
            reasoning="" if self.stream is None else self.stream.reasoning,
            reasoning_tokens=0 if self.stream is None else self.stream.reasoning_tokens,
            logprobs=tuple(self.logprobs),
            choices=() if self.scoring is None else self.scoring.probabilities,
            dropped_turns=self.dropped_turns,
            span=self.span,
        )
