"""One camera's memory: a pinned prefix, and video tokens within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.append import AppendRow
from hermes.memory.branch import Branch, MemoryBranch
from hermes.memory.coverage import Coverage, FrameStamp, FrameTable, held_frames
from hermes.memory.guidance import Guidance, GuidanceRow, NotedGuidance
from hermes.memory.limits import Compression, MemoryConfig
from hermes.memory.policies import Candidates, RetentionPolicy
from hermes.memory.positions import Clock, FrameLayout, dense_ranks
from hermes.memory.rope import Rotary
from hermes.memory.shape import CacheShape
from hermes.memory.slab import Slab, SlabPool
from hermes.memory.state import Capture, MemoryState, check
from hermes.memory.summary import SUMMARY_PATCH, Merge


class StreamMemory:
    """Bounded KV cache of one stream. Not thread-safe: it lives on the device's thread.

    Forward passes write through rows (`begin_prefix`, `begin_frames`) and
    become visible with `commit`. Questions read through `branch`, which leaves
    no trace and sees one and the same memory for as long as it is open, while
    frames keep coming: appends go behind what it sees, and a compression
    writes into another slab as long as somebody reads this one.
    """

    def __init__(
        self,
        shape: CacheShape,
        rotary: Rotary,
        config: MemoryConfig,
        policy: RetentionPolicy,
        slabs: SlabPool | None = None,
    ) -> None:
        """`slabs`: shared by memories that come and go."""
        self.shape = shape
        self.rotary = rotary
        self.config = config
        self.policy = policy
        self.prefix_length = 0
        self.frame_tokens = 0
        """Tokens of a whole frame; 0 until the first is in memory."""
        self._slabs = SlabPool(shape) if slabs is None else slabs
        self._slab: Slab | None = None
        self._closed = False
        self._clock = Clock(shape.axes)
        self._table = FrameTable()
        self._pending: AppendRow | None = None
        self._guidance: tuple[Guidance, ...] = ()
        self._time_step = 1

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
        """The position that text gets next, on every axis."""
        return self._clock.next_text

    @property
    def capacity(self) -> int:
        """Tokens that every layer has room for, the prefix included."""
        return self._require_slab().capacity

    def coverage(self) -> Coverage:
        """What this memory can know about."""
        return self._table.coverage()

    def mark_lost(self, since_ms: int) -> None:
        """See `FrameTable.mark_lost`."""
        self._table.mark_lost(since_ms)

    def stamps(self) -> list[tuple[int, FrameStamp]]:
        """Number and stamp of every frame of which something is held, in order."""
        return self._table.stamps()

    def identities(self) -> tuple[Tensor, Tensor]:
        """Frame and patch numbers of the video tokens, each [layers, n] on the host."""
        slab = self._require_slab()
        video = slice(self.prefix_length, slab.length)
        return slab.frames[:, video].cpu(), slab.patches[:, video].cpu()

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
        self._slab = self._slabs.take(tokens + self.config.budget + self.config.headroom)
        return self._begin(self._clock.text(tokens, self.shape.device), (), None)

    def begin_frames(
        self, stamps: Sequence[FrameStamp], layout: FrameLayout, *, after_gap: bool = False
    ) -> AppendRow:
        """A row for whole frames. The memory changes at `commit`."""
        if self._slab is None:
            raise InvalidInput("frames", "the prefix comes first")
        if not stamps:
            raise InvalidInput("frames", "there are none")
        if layout.offsets.shape[0] != self.shape.axes:
            raise InvalidInput(
                "frames",
                f"have positions on {layout.offsets.shape[0]} axes; the model's have"
                f" {self.shape.axes}",
            )
        tokens = len(stamps) * layout.tokens
        if tokens > self.room():
            raise InvalidInput(
                "frames",
                f"{tokens} tokens exceed the {self.room()} that fit before a compression",
            )
        # What needs room on the device comes before the row is open.
        first = self._table.seen
        numbers = torch.arange(first, first + len(stamps), device=self.shape.device)
        numbers = numbers.repeat_interleave(layout.tokens)
        patches = torch.arange(layout.tokens, dtype=torch.int32, device=self.shape.device)
        patches = patches.repeat(len(stamps))
        row = self._begin(self._clock.frames(len(stamps), layout), tuple(stamps), layout)
        row.after_gap = after_gap
        new = slice(self._slab.length, self._slab.length + tokens)
        self._slab.frames[:, new] = numbers
        self._slab.patches[:, new] = patches
        return row

    def _begin(
        self, positions: Tensor, stamps: tuple[FrameStamp, ...], layout: FrameLayout | None
    ) -> AppendRow:
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
        if self._closed:
            raise RuntimeError("this memory is over: its place may be another's")
        slab, tokens = self._require_slab(), positions.shape[1]
        slab.begin_pass()
        slab.positions[:, :, slab.length : slab.length + tokens] = positions
        if layout is None:
            slab.frames[:, slab.length : slab.length + tokens] = -1
        self._guidance = ()
        self._pending = AppendRow(self.rotary, slab, positions, stamps, layout)
        return self._pending

    def guide(self, prompt_tokens: Sequence[int]) -> tuple[GuidanceRow, ...]:
        """Rows for the guidance prompts, to be packed behind the open row in the same pass.

        What they attend to decides the next compression, if it follows before
        more frames do.
        """
        row = self._pending
        if row is None or row.layout is None:
            raise RuntimeError("guidance goes with frames: begin them first")
        slab, seen = row.slab, row.slab.length + row.tokens
        start = int(row.positions.max()) + 1
        rows = []
        for tokens in prompt_tokens:
            line = torch.arange(start, start + tokens, device=self.shape.device)
            positions = line.expand(self.shape.axes, tokens)
            rows.append(GuidanceRow(slab, self.rotary, positions, self.prefix_length, seen))
        self._guidance = tuple(rows)
        return tuple(rows)

    def finite(self, row: AppendRow, hidden: Tensor | None = None) -> Tensor:
        """[2] bool on the device, for `commit`: whether the row's forward pass made finite numbers.

        `hidden`: what came out of the pass for the row's tokens, if that is to
        be looked at, too. Read for many rows at once, the device is waited for
        once.
        """
        if row is not self._pending:
            raise RuntimeError("this row is not open")
        return row.finite(hidden, [guide.attention for guide in self._guidance])

    def check(self, row: AppendRow, hidden: Tensor | None = None) -> None:
        """Raises `InvalidInput` if the row's forward pass made numbers that are not finite."""
        row.refuse(self.finite(row, hidden).tolist())

    def commit(
        self,
        row: AppendRow,
        hidden: Tensor | None = None,
        *,
        finite: Sequence[bool] | None = None,
    ) -> None:
        """Make what the row's forward pass wrote part of the memory.

        `finite`: what `finite` found, if it was asked already. Raises
        `InvalidInput` if not all is finite; nothing has changed then, and the
        row is still open: abandon it.
        """
        if finite is None:
            self.check(row, hidden)
        elif row is not self._pending:
            raise RuntimeError("this row is not open")
        else:
            row.refuse(finite)
        self._pending = None
        if self._closed:
            row.slab.retire()
            return
        row.slab.length += row.tokens
        if row.layout is None:
            self._clock.took_text(row.tokens)
            return
        self._clock.took_frames(len(row.stamps), row.layout)
        self._time_step = row.layout.advance[0]
        self.frame_tokens = row.layout.tokens
        for number, stamp in enumerate(row.stamps):
            self._table.add(stamp, after_gap=row.after_gap and number == 0)

    def abandon(self, row: AppendRow) -> None:
        """Forget what the row's forward pass wrote, as if it had never begun."""
        if row is self._pending:
            self._pending = None
            self._guidance = ()
            row.slab.begin_pass()
            row.slab.forget_tail()
            if self._closed:
                row.slab.retire()

    # -- compressing -------------------------------------------------------

    @property
    def over_budget_with(self) -> int:
        """Video tokens over the budget, the open row's included."""
        pending = 0 if self._pending is None else self._pending.tokens
        return self.video_tokens + pending - self.config.budget

    def compress(self) -> Compression | None:
        """Bring every layer back to its budget. None if there was nothing to do."""
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
        if self._closed:
            return None
        slab, config = self._require_slab(), self.config
        excess = self.video_tokens - config.budget
        reindex = self._positions_run_out() or (config.reindex == "eager" and excess > 0)
        if excess <= 0 and not reindex:
            return None
        target = slab
        if excess > 0:
            target = self._evict(slab)
        elif slab.readers:
            target = self._slabs.take(slab.capacity)
            slab.keep(self._all(slab.length), into=target)
        self._slab, self._guidance = target, ()
        if target is not slab:
            slab.retire()
        if reindex:
            self._reindex(target)
        video = slice(self.prefix_length, target.length)
        frames, patches = target.frames[:, video], target.patches[:, video]
        self._table.retain(*held_frames(frames, patches, self.frame_tokens, self._table.seen))
        return Compression(max(0, excess) * self.shape.layers, reindex)

    def _evict(self, slab: Slab) -> Slab:
        video = slice(self.prefix_length, slab.length)
        candidates = Candidates(
            slab.frames[:, video],
            slab.patches[:, video],
            self._table.seen,
            self._attention(),
            slab.values[:, :, video],
        )
        selection = self.policy.select(candidates, self.config.budget)
        # Means are taken before anything moves.
        sums = {layer: self._mean(slab, layer, merge) for layer, merge in selection.merges.items()}
        keep = torch.cat((self._all(self.prefix_length), selection.keep + self.prefix_length), 1)
        target = slab if slab.readers == 0 else self._slabs.take(slab.capacity)
        slab.keep(keep, into=target)
        newest = None
        for layer, merge in selection.merges.items():
            at = self.prefix_length + merge.slot
            target.keys[layer, :, at], target.values[layer, :, at] = sums[layer]
            target.patches[layer, at] = SUMMARY_PATCH
            if merge.position == "newest":
                newest = self._clock.took_tick() if newest is None else newest
                target.positions[layer, :, at] = newest
        return target

    def _attention(self) -> Tensor | None:
        if not self.policy.guided:
            return None
        if not self._guidance:
            raise InvalidInput("attention", f"{self.policy.name} needs guidance before it evicts")
        return torch.stack([row.attention for row in self._guidance])

    def _mean(self, slab: Slab, layer: int, merge: Merge) -> tuple[Tensor, Tensor]:
        members = merge.members + self.prefix_length
        keys = slab.keys[layer].index_select(1, members).to(torch.float32).mean(dim=1)
        values = slab.values[layer].index_select(1, members).to(torch.float32).mean(dim=1)
        return keys.to(self.shape.dtype), values.to(self.shape.dtype)

    def _all(self, count: int) -> Tensor:
        return torch.arange(count, device=self.shape.device).expand(self.shape.layers, count)

    def _positions_run_out(self) -> bool:
        # The clock goes on by at most a position for each token of headroom.
        reserve = self.config.headroom + self.config.position_reserve
        return self._clock.next_text + reserve > self.config.position_limit

    def _reindex(self, slab: Slab) -> None:
        """Compact positions to a dense range behind the prefix."""
        video, together = slice(self.prefix_length, slab.length), self._clock.together
        for layer in range(self.shape.layers):
            held = slab.positions[layer, :, video]
            slab.positions[layer, :, video] = dense_ranks(
                held, self.prefix_length, together=together
            )
        slab.moved()
        self._clock.compacted(slab.positions[:, :, video], self.prefix_length, self._time_step)

    # -- reading -----------------------------------------------------------

    def branch(self, room: int) -> Branch:
        """A place for one question and its answer, of at most `room` tokens. Close it after use."""
        slab = self._require_slab()
        return MemoryBranch(slab, self.rotary, self._clock.next_text, room, self.coverage())

    @property
    def closed(self) -> bool:
        """Whether this memory is over."""
        return self._closed

    def close(self) -> None:
        """This memory is over. Open branches still see it to their end, a pass under way ends.

        Its place is left to the next memory of the same pool. Closing twice is
        harmless; nothing else may be asked of it afterwards.
        """
        if self._closed or self._slab is None:
            return
        self._closed = True
        if self._pending is None:
            self._slab.retire()

    # -- leaving and coming back ---------------------------------------------

    def state(self) -> MemoryState:
        """A copy of everything, on the host. Open branches do not notice."""
        return self.capture().state()

    def capture(self, **header: Any) -> Capture:
        """The same in steps. Until the last one this memory may answer, but not change."""
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
        return Capture(self, self._require_slab(), header)

    def restore(self, state: MemoryState) -> None:
        """Become what `state` was taken of. It goes on bit-equally from there.

        Raises `SnapshotMismatch` or `SnapshotCorrupt` before anything changed.
        A memory that has its prefix also refuses a state whose prefix was
        written by other weights.
        """
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
        found = check(self, state, self._slab)
        if self._slab is not None:
            self._slab.retire()
        self._slab, self._table = found.slab, found.table
        self.prefix_length, self.frame_tokens = found.prefix_length, found.frame_tokens
        self._time_step = found.time_step
        self._clock.largest, self._clock.origin = found.largest, found.origin
        self._guidance = tuple(map(NotedGuidance, () if found.guidance is None else found.guidance))

    def _require_slab(self) -> Slab:
        if self._slab is None:
            raise InvalidInput("memory", "is empty: the prefix comes first")
        return self._slab
