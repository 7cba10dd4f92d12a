"""One camera's memory: a pinned prefix, and video tokens within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.attention import grouped_attention, tail_mask
from hermes.memory.branch import Branch
from hermes.memory.coverage import Coverage, FrameStamp, FrameTable
from hermes.memory.policy import Candidates, RetentionPolicy
from hermes.memory.rope import Rotary, rotate
from hermes.memory.shape import CacheShape
from hermes.memory.slab import Slab


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """How much is kept, and when.

    `budget`: video tokens per layer after a compression (|M|).
    `headroom`: video tokens that may come in between two compressions.
    `reindex`: `lazy` leaves positions as they are until they come near
    `position_limit`; `eager` compacts them at every compression.
    `position_limit`: one past the largest position that the model knows.
    `position_reserve`: positions kept free for a question and its answer.
    """

    budget: int
    headroom: int
    position_limit: int
    position_reserve: int = 1024
    reindex: Literal["lazy", "eager"] = "lazy"

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise InvalidInput("budget", "must be at least one token")
        if self.headroom < 1:
            raise InvalidInput("headroom", "must be at least one token")
        if self.budget + self.headroom + self.position_reserve > self.position_limit:
            raise InvalidInput(
                "budget",
                f"{self.budget} tokens, {self.headroom} of headroom and {self.position_reserve}"
                f" for a question exceed the model's {self.position_limit} positions",
            )


@dataclass(frozen=True, slots=True)
class Compression:
    """What one compression did: tokens evicted over all layers, and whether positions moved."""

    evicted_tokens: int
    reindexed: bool


class StreamMemory:
    """Bounded KV cache of one stream. Not thread-safe: it lives on the device's thread.

    Forward passes write through rows (`begin_prefix`, `begin_frames`) and
    become visible with `commit`. Questions read through `branch`, which leaves
    no trace and sees one and the same memory for as long as it is open, while
    frames keep coming: appends go behind what it sees, and a compression
    writes into another slab as long as somebody reads this one.
    """

    def __init__(
        self, shape: CacheShape, rotary: Rotary, config: MemoryConfig, policy: RetentionPolicy
    ) -> None:
        self.shape = shape
        self.rotary = rotary
        self.config = config
        self.policy = policy
        self.prefix_length = 0
        self._slab: Slab | None = None
        self._next_position = 0
        self._table = FrameTable()
        self._pending: AppendRow | None = None

    # -- looking -----------------------------------------------------------

    @property
    def length(self) -> int:
        """Tokens held by every layer, the prefix included."""
        return 0 if self._slab is None else self._slab.length

    @property
    def video_tokens(self) -> int:
        """Video tokens held by every layer."""
        return max(0, self.length - self.prefix_length)

    @property
    def kv_bytes(self) -> int:
        """Bytes of KV cache that the video tokens take over all layers."""
        return self.video_tokens * self.shape.bytes_per_token

    @property
    def next_position(self) -> int:
        """The position that the next token gets on every axis."""
        return self._next_position

    def coverage(self) -> Coverage:
        """What this memory can know about."""
        return self._table.coverage()

    def room(self) -> int:
        """Video tokens that can still be appended before a compression must make room."""
        return self.config.budget + self.config.headroom - self.video_tokens

    # -- writing -----------------------------------------------------------

    def begin_prefix(self, tokens: int) -> AppendRow:
        """A row for the system prefix, which is pinned: never scored, evicted or moved."""
        if self._slab is not None:
            raise InvalidInput("prefix", "a memory has one prefix, and it comes first")
        if tokens < 1:
            raise InvalidInput("prefix", "is empty; a memory begins with at least one token")
        self.prefix_length = tokens
        self._slab = Slab(self.shape, tokens + self.config.budget + self.config.headroom)
        return self._begin(tokens, [])

    def begin_frames(
        self, stamps: Sequence[FrameStamp], tokens_per_frame: int, *, after_gap: bool = False
    ) -> AppendRow:
        """A row for whole frames, `tokens_per_frame` each. The memory changes at `commit`."""
        if self._slab is None:
            raise InvalidInput("frames", "the prefix comes first")
        if not stamps:
            raise InvalidInput("frames", "there are none")
        tokens = len(stamps) * tokens_per_frame
        if tokens > self.room():
            raise InvalidInput(
                "frames",
                f"{tokens} tokens exceed the {self.room()} that fit before a compression",
            )
        row = self._begin(tokens, stamps)
        row.after_gap = after_gap
        slab, start = self._slab, self._slab.length
        first = self._table.seen
        ends = start + tokens
        numbers = torch.arange(first, first + len(stamps), device=self.shape.device)
        slab.frames[:, start:ends] = numbers.repeat_interleave(tokens_per_frame)
        patches = torch.arange(tokens_per_frame, dtype=torch.int32, device=self.shape.device)
        slab.patches[:, start:ends] = patches.repeat(len(stamps))
        return row

    def _begin(self, tokens: int, stamps: Sequence[FrameStamp]) -> AppendRow:
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
        slab = self._require_slab()
        start = slab.length
        positions = torch.arange(
            self._next_position,
            self._next_position + tokens,
            dtype=torch.int32,
            device=self.shape.device,
        ).expand(self.shape.axes, tokens)
        slab.positions[:, :, start : start + tokens] = positions
        if not stamps:
            slab.frames[:, start : start + tokens] = -1
        self._pending = AppendRow(self, slab, tokens, positions, tuple(stamps))
        return self._pending

    def commit(self, row: AppendRow) -> None:
        """Make what the row's forward pass wrote part of the memory."""
        if row is not self._pending:
            raise RuntimeError("this row is not open")
        self._pending = None
        row.slab.length += row.tokens
        self._next_position += row.tokens
        for number, stamp in enumerate(row.stamps):
            self._table.add(stamp, after_gap=row.after_gap and number == 0)

    def abandon(self, row: AppendRow) -> None:
        """Forget what the row's forward pass wrote, as if it had never begun."""
        if row is self._pending:
            self._pending = None
            row.slab.forget_tail()

    def compress(self) -> Compression | None:
        """Bring every layer back to its budget. None if there was nothing to do."""
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
        slab, config = self._require_slab(), self.config
        excess = self.video_tokens - config.budget
        reindex = self._positions_run_out() or (config.reindex == "eager" and excess > 0)
        if excess <= 0 and not reindex:
            return None
        video = slice(self.prefix_length, slab.length)
        if excess > 0:
            candidates = Candidates(
                slab.frames[:, video], slab.patches[:, video], slab.positions[:, :, video]
            )
            chosen = self.policy.select(candidates, config.budget) + self.prefix_length
        else:
            chosen = torch.arange(self.prefix_length, slab.length, device=self.shape.device).expand(
                self.shape.layers, -1
            )
        prefix = torch.arange(self.prefix_length, device=self.shape.device)
        keep = torch.cat((prefix.expand(self.shape.layers, -1), chosen), dim=1)
        target = slab if slab.readers == 0 else Slab(self.shape, slab.capacity)
        slab.keep(keep, into=target)
        self._slab = target
        if reindex:
            self._reindex(target)
        self._table.retain(target.frames[:, self.prefix_length : target.length].unique().tolist())
        return Compression(max(0, excess) * self.shape.layers, reindex)

    def _positions_run_out(self) -> bool:
        reserve = self.config.headroom + self.config.position_reserve
        return self._next_position + reserve > self.config.position_limit

    def _reindex(self, slab: Slab) -> None:
        """Compact positions to a dense range behind the prefix, keeping their order."""
        self._next_position = slab.length
        dense = torch.arange(slab.length, dtype=torch.int32, device=self.shape.device)
        slab.positions[:, :, : slab.length] = dense

    # -- reading -----------------------------------------------------------

    def branch(self, room: int) -> Branch:
        """A place for one question and its answer, of at most `room` tokens. Close it after use."""
        slab = self._require_slab()
        return Branch(slab, self.rotary, self._next_position, room, self.coverage())

    def _require_slab(self) -> Slab:
        if self._slab is None:
            raise InvalidInput("memory", "is empty: the prefix comes first")
        return self._slab


class AppendRow:
    """Tokens on their way into a memory: sees all of it, and itself causally."""

    def __init__(
        self,
        memory: StreamMemory,
        slab: Slab,
        tokens: int,
        positions: Tensor,
        stamps: tuple[FrameStamp, ...],
    ) -> None:
        self.slab = slab
        self.stamps = stamps
        self.after_gap = False
        self._tokens = tokens
        self._start = slab.length
        self._rotary = memory.rotary
        self._tables = memory.rotary.tables(positions)
        self._mask = tail_mask(tokens, self._start + tokens, slab.keys.device)

    @property
    def tokens(self) -> int:
        """How many tokens of the pass are this row's."""
        return self._tokens

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Write this layer's keys and values behind the memory, and attend to all of it."""
        end = self._start + self._tokens
        self.slab.keys[layer, :, self._start : end] = key
        self.slab.values[layer, :, self._start : end] = value
        keys = self.slab.rotated_keys(layer, end, self._rotary)
        values = self.slab.values[layer, :, :end]
        return grouped_attention(rotate(query, self._tables), keys, values, self._mask, scale)
