"""A question and its answer, on a branch of a memory that leaves no trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.attention import Joined, ReadingRow, split_attention, tail_mask
from hermes.memory.coverage import Coverage
from hermes.memory.excerpt import Excerpt
from hermes.memory.frame_layout import FrameLayout
from hermes.memory.positions import Clock
from hermes.memory.rope import Rotary
from hermes.memory.side_by_side import SideBySide
from hermes.memory.slab import Slab
from hermes.memory.span_coverage import SpanCoverage


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where the tokens that a row reads lie on the device, and where its own tokens go.

    `keys`, `values`: the memory's, [layers, kv_heads, capacity, head_dim], with keys rotated to
    their positions; the row reads the first `seen` of them, or as many as `counts` says
    for each layer: [layers] int32. `own_keys`, `own_values`: the branch's, [layers,
    kv_heads, room, head_dim].
    """

    keys: Tensor
    values: Tensor
    seen: int
    own_keys: Tensor
    own_values: Tensor
    counts: Tensor | None = None


class Place(NamedTuple):
    """Where a token's key and value go among its branch's own, and its position on every axis.

    Of the branch's own tokens it sees those up to itself, but not the `skip` ones from `fork` on.
    """

    slot: int
    position: int
    fork: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """Frames that are not in memory and come right after it: a branch's first row begins with them.

    `features`: [n, width]. `positions`: [axes, n]. `first`: the position of the
    first token if the others follow it one by one, and the text them; None if not.
    `next_text`: the position of the first token of text. `frames`: [n] int64, the number
    of each token's frame, on the host.
    """

    features: Tensor
    positions: Tensor
    first: int | None
    next_text: int
    frames: Tensor

    @classmethod
    def of(
        cls,
        frames: Sequence[Tensor],
        layouts: Sequence[FrameLayout],
        clock: Clock,
        numbers: Sequence[int],
    ) -> Opening:
        """Frames in the order of time, with the clock of the memory that they follow."""
        ahead = clock.copy()
        first, *_ = ahead.took_frame(layouts[0])
        ahead.took_frames(layouts[1:])
        in_line = all(layout.in_line for layout in layouts) and not any(
            layout.lead for layout in layouts[1:]
        )
        return cls(
            torch.cat(list(frames)),
            clock.frames(layouts),
            first if in_line else None,
            ahead.next_text,
            torch.tensor(numbers).repeat_interleave(
                torch.tensor([layout.tokens for layout in layouts])
            ),
        )


class Branch:
    """A question's view of a memory as it was when the branch was opened, with tokens of its own.

    While the branch is open, nothing that it reads moves in the slab. Use it as a
    context manager, or call `close`.
    """

    def __init__(
        self,
        slab: Slab | Excerpt,
        rotary: Rotary,
        position: int,
        room: int,
        coverage: Coverage,
        opening: Opening | None = None,
        span: SpanCoverage | None = None,
    ) -> None:
        """`position`: that of the branch's first token, on every axis, unless it has an `opening`.

        `room`: how many tokens the branch can take, beside the opening's. `span`: of
        the span that it is about, if it is about one.
        """
        shape = slab.shape
        self.slab = slab
        self.rotary = rotary
        self.coverage = coverage
        self.span = span
        self.seen = slab.length
        """How many tokens of the memory the branch reads, in the layer where it reads most."""
        self.length = 0
        """How many tokens the branch has of its own."""
        self._opening = opening
        self._opens_with = 0 if opening is None else len(opening.features)
        self._first_position = position if opening is None else opening.next_text
        self._room = room + self._opens_with
        size = (shape.layers, shape.kv_heads, self._room, shape.head_dim)
        self._keys = torch.empty(size, dtype=shape.dtype, device=shape.device)
        self._values = torch.empty(size, dtype=shape.dtype, device=shape.device)
        self.side_by_side: SideBySide | None = None
        """Copies of what it reads and of what others read, if they are read at once."""
        self.written = 0
        """How many of its own tokens its tensors hold. The others are in `side_by_side`."""
        self._closed = False
        slab.open()

    @property
    def keys(self) -> Tensor:
        """Keys of its own tokens, rotated: [layers, kv_heads, room, head_dim]."""
        self._complete()
        return self._keys

    @property
    def values(self) -> Tensor:
        """Values of its own tokens, as `keys`."""
        self._complete()
        return self._values

    def _complete(self) -> None:
        """Have its own tensors hold all of its tokens."""
        if self.side_by_side is not None and self.written < self.length:
            self.side_by_side.write_back(self, self._keys, self._values)
            self.written = self.length

    @property
    def position(self) -> int:
        """The position of the branch's next token of text, on every axis."""
        return self._first_position + max(0, self.length - self._opens_with)

    @property
    def opens(self) -> bool:
        """Whether the next row begins with frames."""
        return self.length < self._opens_with

    @property
    def next_in_line(self) -> int | None:
        """The position of the next token, if those of all later tokens follow it one by one.

        None if the next row begins with frames whose positions do not.
        """
        if self._opening is None or not self.opens:
            return self.position
        first = self._opening.first
        return None if first is None else first + self.length

    @property
    def opening_features(self) -> Tensor | None:
        """Inputs [n, width] of the frames that the branch begins with; None without any."""
        return None if self._opening is None else self._opening.features

    def opened_by(self, question: Tensor) -> Tensor:
        """Inputs [n, width] of the first row: frames that are not in memory, and the question."""
        opening = self._opening
        return question if opening is None else torch.cat((opening.features, question))

    def positions(self, tokens: int, *, anew: bool = False) -> Tensor:
        """Positions [axes, tokens] of the next tokens; `anew`: of the branch's first tokens."""
        length = 0 if anew else self.length
        shape, left = self.slab.shape, max(0, self._opens_with - length)
        start = self._first_position if anew else self.position
        line = torch.arange(start, start + tokens - left, device=shape.device)
        text = line.expand(shape.axes, tokens - left)
        if self._opening is None or not left:
            return text
        return torch.cat((self._opening.positions[:, length:], text), dim=1)

    def frames(self) -> list[int]:
        """The numbers of all frames of which the branch sees a token, in order."""
        held = self.slab.frames[:, : self.seen].unique().tolist()
        return sorted({*held, *self.opening_frames} - {-1})

    @property
    def opening_frames(self) -> list[int]:
        """The number of the frame of each token that the branch begins with."""
        return [] if self._opening is None else self._opening.frames.tolist()

    def row(self, tokens: int) -> BranchRow:
        """A row for the next tokens: the question, or one token of the answer."""
        if self.opens and tokens <= self._opens_with:
            raise InvalidInput("question", "the first row has the branch's frames and a question")
        self.check_room(tokens)
        return BranchRow(self, tokens)

    def check_room(self, tokens: int) -> None:
        """Raises `InvalidInput` if the branch has no room for so many more tokens."""
        if self.length + tokens > self._room:
            raise InvalidInput(
                "question",
                f"{self.length + tokens} tokens exceed the {self._room} that a question and its"
                " answer may take together",
            )

    def commit(self, row: BranchRow) -> None:
        """Keep the row's tokens, once its forward pass is done. The next row follows them."""
        self.length += row.kept

    def split(self, shared: int, first: int, tokens: int, room: int) -> Branch:
        """A branch that has read the first `shared` tokens of this one, and after them those
        `tokens` that lie here from `first` on. Close it.

        `room`: how many tokens it can take beside the opening's.
        """
        made = Branch(
            self.slab,
            self.rotary,
            self._first_position,
            room,
            self.coverage,
            self._opening,
            self.span,
        )
        made.seen = self.seen
        end = shared + tokens
        for own, theirs in ((made.keys, self.keys), (made.values, self.values)):
            own[:, :, :shared] = theirs[:, :, :shared]
            own[:, :, shared:end] = theirs[:, :, first : first + tokens]
        made.length = end
        return made

    def close(self) -> None:
        """Stop reading the memory. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self.side_by_side = None
            self.slab.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attend(
        self,
        layer: int,
        query: Tensor,
        rotated: tuple[Tensor, Tensor],
        value: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        """Write the next row's keys and values, and attend to the memory and the branch.

        `query`: as it came from the model. `rotated`: query and key, rotated to the row's
        positions, the query also scaled. `mask`: `BranchRow.mask`.
        """
        self._complete()
        end = self.written = self.length + value.shape[1]
        self._keys[layer, :, self.length : end] = rotated[1]
        self._values[layer, :, self.length : end] = value
        memory = self.slab.read(layer, self.seen, self.rotary)
        own = (self._keys[layer, :, :end], self._values[layer, :, :end])
        return split_attention(rotated[0], memory, own, mask)


class BranchRow(ReadingRow):
    """Tokens of a question or an answer within one forward pass."""

    def __init__(self, branch: Branch, tokens: int) -> None:
        self.branch = branch
        self._tokens = tokens

    @classmethod
    def joined(cls, rows: Sequence[Self]) -> Joined | None:
        """On a CPU, as far as that takes less time than reading one after the other."""
        return SideBySide.of(rows, [row.branch for row in rows])

    # Computed on first use: a recorded pass (`hermes.memory.reading`) needs neither.

    @cached_property
    def tables(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """cos and sin of its positions."""
        return self.branch.rotary.tables(self.positions())

    @classmethod
    def all_tables(cls, rows: Sequence[Self]) -> tuple[Tensor, Tensor]:
        """Computed at once for all of them."""
        shape, lines = rows[0].branch.slab.shape, [row.line for row in rows]
        if shape.device.type == "cpu" and None not in lines:
            numbers = [number for line in lines if line is not None for number in line]
            positions = torch.tensor(numbers).expand(shape.axes, -1)
        else:
            positions = torch.cat([row.positions() for row in rows], dim=1)
        return rows[0].branch.rotary.tables(positions)

    def positions(self) -> Tensor:
        """[axes, tokens], on the device."""
        return self.branch.positions(self._tokens)

    @property
    def line(self) -> range | None:
        """Its positions, if they follow one another and are the same on every axis."""
        first = self.branch.next_in_line
        return None if first is None else range(first, first + self._tokens)

    @property
    def causal(self) -> bool:
        """Whether each token sees all of the branch's own tokens up to itself."""
        return True

    @cached_property
    def mask(self) -> Tensor | None:
        """[tokens, own tokens so far] bool: which of the branch's tokens each token sees.

        None if it sees all of them.
        """
        branch = self.branch
        return tail_mask(self._tokens, branch.length + self._tokens, branch.slab.shape.device)

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        return self._tokens

    @property
    def kept(self) -> int:
        """How many of its tokens, from the first on, stay in the branch."""
        return self._tokens

    @property
    def in_line(self) -> bool:
        """Whether its tokens have positions that follow one another, the same on every axis."""
        return self.branch.next_in_line is not None

    def places(self) -> list[Place]:
        """Where each token of a row `in_line` goes."""
        first, position = self.branch.length, self.branch.next_in_line
        if position is None:
            raise RuntimeError("the row's positions do not follow one another")
        return [Place(first + n, position + n) for n in range(self._tokens)]

    def layout(self) -> RowLayout:
        """Where the row's tokens, and those that it reads, are on the device."""
        branch = self.branch
        return RowLayout(
            branch.slab.all_rotated_keys(branch.seen, branch.rotary),
            branch.slab.values,
            branch.seen,
            branch.keys,
            branch.values,
            branch.slab.counts,
        )

    def attend_rotated(
        self, layer: int, query: Tensor, rotated: tuple[Tensor, Tensor], value: Tensor
    ) -> Tensor:
        """Attend to the memory and to the branch, which keeps the row's keys and values."""
        return self.branch.attend(layer, query, rotated, value, self.mask)
