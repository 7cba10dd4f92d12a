"""A pass that computes one token for each of several answers; recorded as a graph on a GPU."""

from __future__ import annotations

import bisect
import logging
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, groupby
from typing import NamedTuple

import torch
from torch import Tensor

from hermes.memory import BranchRow, Device, PackedPass, device_of
from hermes.memory.device import Recorder
from hermes.memory.reading import NewReader, ReadingPass, columns_of
from hermes.vlm import Between, ChosenToken, TokenChoice, VideoModel
from hermes.vlm.scoring import Wanted, read_logprobs
from hermes.vlm.token_choice import PLAIN

log = logging.getLogger(__name__)

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Sizes of recorded passes, in tokens, unless passes can be larger."""

_LARGEST = 512
"""A pass of more tokens keeps a GPU busy without a recording."""
_STEP = 64


def sizes_up_to(most: int) -> tuple[int, ...]:
    """Sizes of recorded passes where a pass has up to `most` tokens.

    They double; beyond `SIZES` there is one more, so that little of it is padding.
    """
    largest = min(most, _LARGEST)
    last = -(-largest // _STEP) * _STEP
    return SIZES if last <= SIZES[-1] else (*SIZES, last)


class Want(NamedTuple):
    """What is wanted of a row of a pass, by the row's number.

    `what`: log-probabilities, whose outputs are counted from the token `at`; or the token
    that follows the one `at`, chosen as for the answer with this row in `choice`.
    """

    row: int
    at: int
    what: int | Wanted


class QuestionPass:
    """The passes over questions and answers of one model.

    Launching the kernels of a small pass takes longer than running them. So on
    CUDA a pass is recorded once for each of a few sizes, and replayed for any
    memories.
    """

    def __init__(
        self,
        model: VideoModel,
        reach: int,
        new_reader: NewReader | None = None,
        *,
        device: Device | None = None,
        most_tokens: int = SIZES[-1],
        recorded: bool = True,
    ) -> None:
        """`reach`: the most tokens that one token attends to, including its answer's own.
        `new_reader`: makes the reader of memories for passes of a fixed shape; by default
        kernels on CUDA, none elsewhere. `most_tokens`: of a pass that should be recorded.
        `recorded`: whether any should be.
        """
        self._model = model
        self._reach = reach
        on_cuda = model.shape.device.type == "cuda"
        self._new_reader = new_reader or (reader_for(model) if on_cuda and recorded else None)
        self._passes: dict[tuple[int, bool], _FixedPass | None] = {}
        self._sizes = sizes_up_to(most_tokens)
        self._device = device or device_of(model.shape.device)
        self._recorder = self._device.recorder()
        self.choice = TokenChoice(model)

    @property
    def sizes(self) -> list[int]:
        """The sizes of the passes of a fixed shape that there are, in the order they were made."""
        return [size for size, _ in self._passes]

    @property
    def failed(self) -> list[int]:
        """The sizes that could not be recorded: their passes are packed."""
        return [size for (size, _), made in self._passes.items() if made is None]

    @torch.inference_mode()
    def prepare(self, like: Tensor) -> None:
        """Record every size now, before a question has to wait for it. `like`: example inputs.

        The largest comes first: the others find room in the memory that it needed.
        """
        if self._new_reader is None:
            return
        for size in reversed(self._sizes):
            for several in (False, True) if size > 1 else (False,):
                self._fixed(size, several, like)

    def forget(self) -> None:
        """Free all recordings. What is wanted again is recorded again."""
        self._passes.clear()

    def tokens(
        self,
        inputs: Sequence[Tensor],
        rows: Sequence[BranchRow],
        answers: Sequence[int],
        between: Between | None = None,
    ) -> list[ChosenToken]:
        """The token that follows each row. `inputs`: tensors [n, width], together those of all
        rows in order.
        `answers`: the row that each has in `choice`. `between`: called between two layers of a
        pass that is not recorded.
        """
        places = [row.tokens - 1 for row in rows]
        hidden, found = self._run(inputs, rows, places, range(len(rows)), between)
        return self._chosen(hidden, found, answers)

    def outcomes(
        self,
        inputs: Sequence[Tensor],
        rows: Sequence[BranchRow],
        wants: Sequence[int | Wanted],
        between: Between | None = None,
    ) -> list[ChosenToken | list[float]]:
        """As `tokens`, where some rows are wanted for the log-probabilities of given tokens."""
        if all(isinstance(want, int) for want in wants):
            plain = [want for want in wants if type(want) is int]
            return list(self.tokens(inputs, rows, plain, between))
        found = [
            Want(number, 0 if isinstance(want, Wanted) else row.tokens - 1, want)
            for number, (row, want) in enumerate(zip(rows, wants, strict=True))
        ]
        return self.found(inputs, rows, found, between)

    def found(
        self,
        inputs: Sequence[Tensor | int],
        rows: Sequence[BranchRow],
        wants: Sequence[Want],
        between: Between | None = None,
    ) -> list[ChosenToken | list[float]]:
        """What is wanted of the rows, in this order: tokens, and log-probabilities.

        `inputs`: of each row, [n, width], or the one token that it reads.
        """
        places: list[int] = []
        of: list[int] = []
        numbers: list[tuple[int, int]] = []
        chosen_at: list[int] = []
        for want in wants:
            first = len(places)
            if isinstance(want.what, Wanted):
                places += [want.at + output for output in want.what.outputs]
                numbers += [(first + output, token) for output, token in want.what.numbers]
            else:
                chosen_at.append(first)
                places.append(want.at)
            of += [want.row] * (len(places) - first)
        answers = [want.what for want in wants if isinstance(want.what, int)]
        hidden, found = self._run(self._embedded(inputs), rows, places, of, between)
        if not numbers:
            return list(self._chosen(hidden, found, answers))
        tokens: list[ChosenToken] = []
        if answers:
            at = torch.tensor(chosen_at).to(hidden.device, non_blocking=True)
            found = None if found is None else found.index_select(0, at)
            tokens = self._chosen(hidden.index_select(0, at), found, answers)
        logprobs = read_logprobs(self._model, hidden, numbers) if numbers else []
        outcomes: list[ChosenToken | list[float]] = []
        for want in wants:
            if isinstance(want.what, Wanted):
                count = len(want.what.numbers)
                outcomes.append(want.what.values(logprobs[:count]))
                del logprobs[:count]
            else:
                outcomes.append(tokens.pop(0))
        return outcomes

    def _embedded(self, inputs: Sequence[Tensor | int]) -> list[Tensor]:
        """The inputs of all rows in order: tokens that follow one another are embedded at once."""
        found: list[Tensor] = []
        for are_tokens, some in groupby(inputs, key=lambda own: isinstance(own, int)):
            if are_tokens:
                found.append(self._model.embed([own for own in some if isinstance(own, int)]))
            else:
                found += [own for own in some if isinstance(own, Tensor)]
        return found

    def _run(
        self,
        inputs: Sequence[Tensor],
        rows: Sequence[BranchRow],
        places: Sequence[int],
        of: Sequence[int],
        between: Between | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Hidden states of some tokens of the pass, and what a recorded pass found there: tokens,
        or their logits. `places`: each wanted token's place in its row; `of`: the row's number.
        """
        together = torch.cat(list(inputs)) if len(inputs) > 1 else inputs[0]
        starts = list(accumulate((row.tokens for row in rows), initial=0))
        ends = torch.tensor([starts[row] + place for row, place in zip(of, places, strict=True)])
        in_line = all(row.in_line for row in rows)
        if self._new_reader is not None and in_line and len(together) <= self._sizes[-1]:
            size = self._sizes[bisect.bisect_left(self._sizes, len(together))]
            fixed = self._fixed(size, len(ends) > 1, together)
            if fixed is not None:
                found = fixed.run(together, columns_of(rows, size), ends)
                return fixed.hidden[: len(ends)], found
        hidden = self._model.forward(together, PackedPass(rows, between))
        if len(hidden) > len(ends):  # of a question, only its last token's output is needed
            hidden = hidden.index_select(0, ends.to(hidden.device, non_blocking=True))
        return hidden, None

    def _chosen(
        self, hidden: Tensor, found: Tensor | None, answers: Sequence[int]
    ) -> list[ChosenToken]:
        """A token for each hidden state. `found`: what a recorded pass found."""
        if found is None or not self.choice.by_logits_alone:
            logits = self._model.logits(hidden) if found is None else found
            return self.choice.read(self.choice.choose(logits, answers), logits, answers)
        own = [at for at, row in enumerate(answers) if row != PLAIN]
        if not own:
            return self.choice.read(found, None, answers)
        # The recorded pass stays as it is: only these answers look at the logits again.
        logits = self._model.logits(hidden)
        return self.choice.read(self.choice.amend(found, own, logits, answers), logits, answers)

    def _fixed(self, size: int, several: bool, like: Tensor) -> _FixedPass | None:
        """The pass of this size, recorded on CUDA. None if that failed: it is not tried again.

        Other sizes may still be recorded.
        """
        if (size, several) not in self._passes:
            assert self._new_reader is not None
            try:
                self._passes[size, several] = self._made(size, several, like, self._new_reader)
            except Exception as error:
                log.warning("question passes of %d tokens cannot be recorded: %s", size, error)
                self._passes[size, several] = None
            if self._passes[size, several] is None:  # its buffers are gone only now
                self._device.free_unused()
        return self._passes[size, several]

    def _made(self, size: int, several: bool, like: Tensor, new_reader: NewReader) -> _FixedPass:
        ends, chooses = size if several else 1, self.choice.by_logits_alone
        computation = _Computation(
            self._model, size, ends, self._reach, new_reader, like, chooses=chooses
        )
        return _FixedPass(computation, self._recorder)


class _Computation:
    """What a pass of `size` tokens computes, on tensors that stay where they are."""

    def __init__(
        self,
        model: VideoModel,
        size: int,
        ends: int,
        reach: int,
        new_reader: NewReader,
        like: Tensor,
        *,
        chooses: bool,
    ) -> None:
        self._model = model
        self._chooses = chooses
        shape = model.shape
        self.inputs = like.new_zeros((size, like.shape[1]))
        self.ends = torch.zeros(ends, dtype=torch.int64, device=like.device)
        self.reading = ReadingPass(size, model.rotary, shape.axes, reach, new_reader, like.device)
        self.found = self.ends
        """Of the last run: the token that follows each of `ends`, or its logits."""
        self.hidden = self.inputs
        """Of the last run: the hidden state that each of `ends` was predicted from."""

    def run(self) -> None:
        self.reading.begin()
        hidden = self._model.forward(self.inputs, self.reading)
        self.hidden = hidden.index_select(0, self.ends)
        logits = self._model.logits(self.hidden)
        self.found = logits.argmax(dim=-1) if self._chooses else logits


class _FixedPass:
    """A recorded computation, which predicts what follows up to `ends` of `size` tokens."""

    def __init__(self, computation: _Computation, recorder: Recorder) -> None:
        """Raises what fails in the recording."""
        self._computation = computation
        self._replay = recorder.record(computation.run)

    @property
    def hidden(self) -> Tensor:
        """Of the last run: the hidden state that each of `ends` was predicted from."""
        return self._computation.hidden

    @torch.inference_mode()
    def run(self, inputs: Tensor, columns: Tensor, ends: Tensor) -> Tensor:
        """The token that follows each of `ends`, or its logits."""
        of = self._computation
        of.inputs[: len(inputs)] = inputs
        of.reading.table.copy_(columns, non_blocking=True)
        of.ends[: len(ends)] = ends.to(of.ends.device, non_blocking=True)
        self._replay()
        return of.found[: len(ends)]


def reader_for(model: VideoModel) -> NewReader | None:
    """Kernels for this model's heads, and for what its memories store; None if there are none."""
    dim = model.shape.head_dim
    if dim < 16 or dim & (dim - 1):
        log.info("%s: heads of %d have no kernels; passes are packed", model.name, dim)
        return None
    try:
        from hermes.memory.kernels import Reader
    except ImportError as error:
        log.info("no Triton (%s): passes are packed", error)
        return None
    return Reader if model.shape.stored is None else partial(Reader, eight_bits=True)
