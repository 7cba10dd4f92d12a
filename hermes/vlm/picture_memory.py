"""What all memories of a stream have in common, whatever they keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hermes.choices import ChoiceProbability
from hermes.errors import AnswerCut, InvalidInput
from hermes.memory import Branch, Compression, Coverage, FrameStamp, PackedPass
from hermes.question import Choices, Form, Span, Turn
from hermes.sampling import GREEDY, Sampling
from hermes.vlm.base import VideoModel
from hermes.vlm.encoded import FramePictures
from hermes.vlm.preprocess import check_pictures, stacked
from hermes.vlm.scoring import Scoring
from hermes.vlm.stop_texts import StopTexts
from hermes.vlm.token_choice import TokenChoice

_CHOICE_TOKENS = 256
"""The most tokens of choices that are scored in one pass."""


class PictureMemory(ABC):
    """Pairs pictures into frames, and turns questions into answers."""

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self._unpaired: list[tuple[Tensor, FrameStamp]] = []
        self._after_gap = False

    @abstractmethod
    def coverage(self) -> Coverage:
        """What the memory can know about."""

    @abstractmethod
    def branch(self, room: int, span: Span | None = None) -> Branch:
        """A branch for one question and its answer of at most `room` tokens. Close it after use.

        `span`: it sees what is within it alone.
        """

    @abstractmethod
    def _take(self, frame: FramePictures) -> Compression | None:
        """Take in the pictures of one frame. There is a gap before it if `_after_gap`."""

    def feed(
        self,
        pictures: Tensor,
        capture_ms: Sequence[int] | None = None,
        *,
        after_gap: bool = False,
    ) -> None:
        """Take frames in: [n, 3, height, width] uint8, RGB, any size.

        `capture_ms`: when each was captured, in ms; by default one a second.
        """
        check_pictures(pictures)
        times = self._next_seconds(len(pictures)) if capture_ms is None else capture_ms
        if len(times) != len(pictures):
            raise InvalidInput("capture_ms", f"has {len(times)} times for {len(pictures)} frames")
        for index, (picture, time) in enumerate(zip(pictures, times, strict=True)):
            self.take(picture, FrameStamp(time), after_gap=after_gap and index == 0)

    def _next_seconds(self, count: int) -> list[int]:
        end = self.coverage().end_ms
        first = 0 if end is None else end + 1000
        return [first + 1000 * (len(self._unpaired) + index) for index in range(count)]

    @torch.inference_mode()
    def take(
        self, picture: Tensor, stamp: FrameStamp, *, after_gap: bool = False
    ) -> Compression | None:
        """Take in one picture [3, height, width], and compress when it is time.

        Where the model merges several pictures into a frame, a picture waits for
        the others of its frame. If anything fails, the frame leaves no trace.
        """
        if after_gap and (left := self.left_over()) is not None:
            self._take_frame(left)
        frame = self.collect(picture, stamp, after_gap=after_gap)
        return None if frame is None else self._take_frame(frame)

    def _take_frame(self, frame: FramePictures) -> Compression | None:
        done = self._take(frame)
        self._after_gap = False  # a frame that failed passes the gap on to the next
        return done

    def collect(
        self, picture: Tensor, stamp: FrameStamp, *, after_gap: bool = False
    ) -> FramePictures | None:
        """Add a picture. Returns its frame once that is complete.

        `after_gap`: what is `left_over` comes first: pictures before and after a
        gap are not merged.
        """
        check_pictures(picture.unsqueeze(0))
        if after_gap:
            self._unpaired.clear()
        self._unpaired.append((picture, stamp))
        self._after_gap = self._after_gap or after_gap
        if len(self._unpaired) < self.model.pictures_per_frame:
            return None
        merged, self._unpaired = self._unpaired, []
        return self._frame_of(merged)

    def left_over(self) -> FramePictures | None:
        """The pictures that wait for the others of their frame, as a frame of their own.

        The last is repeated, as the models' own processors do it at the end of a
        video. They wait no longer.
        """
        merged, self._unpaired = self._unpaired, []
        return self._repeated(merged) if merged else None

    def _repeated(self, waiting: Sequence[tuple[Tensor, FrameStamp]]) -> FramePictures:
        missing = self.model.pictures_per_frame - len(waiting)
        return self._frame_of([*waiting, *[waiting[-1]] * missing])

    def _frame_of(self, waiting: Sequence[tuple[Tensor, FrameStamp]]) -> FramePictures:
        pictures, stamps = zip(*waiting, strict=True)
        newest = pictures[-1].shape[-2], pictures[-1].shape[-1]
        if any(picture.shape != pictures[-1].shape for picture in pictures):
            newest = self.model.fitted(newest)  # each is resized once, as if it had come alone
        # A file is read at any speed: what counts is the time within it.
        times = tuple(
            stamp.capture_ms if stamp.media_ms is None else stamp.media_ms for stamp in stamps
        )
        return FramePictures(stacked(pictures, newest), stamps[-1], times)

    def ask(
        self,
        question: str,
        max_tokens: int = 256,
        sampling: Sampling = GREEDY,
        *,
        turns: Sequence[Turn] = (),
        form: Form | None = None,
        span: Span | None = None,
    ) -> str:
        """The whole answer. `span`: from what was captured within it alone."""
        pieces = self.answer(question, max_tokens, sampling, turns=turns, form=form, span=span)
        return "".join(pieces)

    def answer(
        self,
        question: str,
        max_tokens: int = 256,
        sampling: Sampling = GREEDY,
        *,
        turns: Sequence[Turn] = (),
        form: Form | None = None,
        span: Span | None = None,
    ) -> Iterator[str]:
        """The answer, piece by piece, as it is written. Greedy unless `sampling` says otherwise.

        `turns`: earlier questions and answers, oldest first. `form`: what the answer
        looks like; with `Choices` it is the likeliest of them, whatever `sampling` says.
        Raises `AnswerCut` if an answer in a schema or regular expression would need more tokens.
        """
        if isinstance(form, Choices):
            found = self.choose(question, form.texts, turns=turns, span=span)
            yield max(found, key=lambda choice: choice.probability).text
            return
        model, stops, choice = self.model, StopTexts(sampling.stop), TokenChoice(self.model)
        grammar = None if form is None else model.forms.grammar(form).begin()
        if grammar is not None and sampling.stop:
            raise InvalidInput("stop", "cannot be used with a schema or a regular expression")
        stream = model.text_stream()
        inputs = model.question(question, turns, reasoning=grammar is None)
        row = choice.begin(question, sampling, turns, grammar)
        with self.branch(len(inputs) + max_tokens, span) as branch:
            inputs = branch.opened_by(inputs)
            for _ in range(max_tokens):
                logits = self._step(branch, inputs)
                (token,) = choice.read(choice.choose(logits, [row]), None, [row])
                if grammar is not None and grammar.failure is not None:
                    raise grammar.failure
                if token.id in model.decoding.end_ids:
                    break
                if text := stops.push(stream.push(token.id) if token.text is None else token.text):
                    yield text
                if stops.found or (grammar is not None and grammar.over):
                    return
                inputs = model.embed([token.id])
            else:
                if grammar is not None and not grammar.complete:
                    raise AnswerCut(f"the answer is not complete after {max_tokens} tokens")
            if rest := stops.rest():
                yield rest

    @torch.inference_mode()
    def choose(
        self,
        question: str,
        choices: Sequence[str],
        *,
        turns: Sequence[Turn] = (),
        span: Span | None = None,
    ) -> tuple[ChoiceProbability, ...]:
        """How probable each of these answers is, in their order (`Scoring.probabilities`).

        A model that thinks answers at once.
        """
        model = self.model
        scoring = Scoring(model.forms.choices(Choices(tuple(choices))), _CHOICE_TOKENS)
        inputs = model.question(question, turns, reasoning=False)
        with self.branch(len(inputs) + scoring.most_tokens, span) as branch:
            scoring.run(model, branch, branch.opened_by(inputs))
        return scoring.probabilities

    @torch.inference_mode()
    def _step(self, branch: Branch, inputs: Tensor) -> Tensor:
        """Logits [1, vocabulary] of what follows `inputs`."""
        row = branch.row(len(inputs))
        hidden = self.model.forward(inputs, PackedPass([row]))
        branch.commit(row)
        return self.model.logits(hidden[-1:])
