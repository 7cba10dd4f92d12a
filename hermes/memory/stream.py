"""One camera's memory: a pinned prefix, and video tokens within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory.append import AppendRow
from hermes.memory.branch import Branch, Opening
from hermes.memory.capture import Capture
from hermes.memory.coverage import Coverage, FrameStamp, FrameTable
from hermes.memory.device import Copier
from hermes.memory.eviction import every_index, evict
from hermes.memory.frame_layout import FrameLayout, check_layouts, shortened
from hermes.memory.guidance import EmbeddingsRow, GuidanceRow, Projections
from hermes.memory.held import Held
from hermes.memory.limits import Compression, MemoryConfig
from hermes.memory.policies import RetentionPolicy
from hermes.memory.positions import Clock
from hermes.memory.restore import restored
from hermes.memory.rope import Rotary
from hermes.memory.shape import CacheShape
from hermes.memory.slab import STANDS, SlabPool
from hermes.memory.span import Waiting, view
from hermes.memory.state import MemoryState, kind_of
from hermes.question import Span


class StreamMemory:
    """Bounded KV cache of one stream. Not thread-safe: it belongs to the device's thread.

    Forward passes write through rows (`begin_prefix`, `begin_frames`), which
    become part of the memory with `commit`. Questions read through a `branch`,
    which sees the memory as it was when the branch was opened, and leaves no
    trace. Frames may be added meanwhile: their tokens are appended past what a
    branch reads, and a compression writes to another slab while this one has
    readers.
    """

    def __init__(
        self,
        shape: CacheShape,
        rotary: Rotary,
        config: MemoryConfig,
        policy: RetentionPolicy,
        slabs: SlabPool | None = None,
    ) -> None:
        """`slabs`: a pool to share with other memories of this shape."""
        self.shape = shape
        self.rotary = rotary
        self.config = config
        self.policy = policy
        self._slabs = SlabPool(shape) if slabs is None else slabs
        self._held: Held | None = None
        self._closed = False
        self._pending: AppendRow | None = None

    # -- looking -----------------------------------------------------------

    @property
    def held(self) -> Held:
        """All that the memory holds. Raises `InvalidInput` before the prefix has begun."""
        if self._held is None:
            raise InvalidInput("memory", "is empty: the prefix comes first")
        return self._held

    @property
    def length(self) -> int:
        """Tokens held by every layer, the prefix included."""
        return 0 if self._held is None else self._held.slab.length

    @property
    def prefix_length(self) -> int:
        """Tokens of the system prefix."""
        return 0 if self._held is None else self._held.prefix_length

    @property
    def frame_tokens(self) -> int:
        """Tokens of the largest frame so far; 0 until the first is in memory."""
        return 0 if self._held is None else self._held.frame_tokens

    @property
    def video_tokens(self) -> int:
        """Video tokens held by every layer."""
        return 0 if self._held is None else self._held.video_tokens

    @property
    def kv_bytes(self) -> int:
        """Bytes of KV cache that the video tokens take over all layers."""
        return self.video_tokens * self.shape.bytes_per_token

    @property
    def next_position(self) -> int:
        """The position of the next text token, on every axis."""
        return 0 if self._held is None else self._held.clock.next_text

    @property
    def capacity(self) -> int:
        """Tokens that every layer has room for, the prefix included."""
        return self.held.slab.capacity

    def coverage(self) -> Coverage:
        """What this memory can know about."""
        return Coverage() if self._held is None else self._held.table.coverage()

    def mark_lost(self, since_ms: int) -> None:
        """See `FrameTable.mark_lost`."""
        self.held.table.mark_lost(since_ms)

    def stamps(self) -> list[tuple[int, FrameStamp]]:
        """Number and stamp of every frame that is held, at least in part, in order."""
        return [] if self._held is None else self._held.table.stamps()

    def taken(self) -> dict[int, int]:
        """How many tokens each frame that is held was taken in with, by number."""
        return {} if self._held is None else dict(self._held.table.taken())

    def identities(self) -> tuple[Tensor, Tensor]:
        """Frame and patch numbers of the video tokens, each [layers, n] on the host."""
        slab, video = self.held.slab, self.held.video
        return slab.frames[:, video].cpu(), slab.patches[:, video].cpu()

    def room(self) -> int:
        """Video tokens that can be appended before a compression must make room."""
        return self.config.budget + self.config.headroom - self.video_tokens

    @property
    def position_room(self) -> int:
        """Positions that frames can take before they must be compacted."""
        return self.config.position_limit - self.config.position_reserve - self.next_position

    # -- writing -----------------------------------------------------------

    def begin_prefix(self, tokens: int) -> AppendRow:
        """A row for the system prefix, which is pinned: never scored, evicted or moved."""
        if self._held is not None:
            raise InvalidInput("prefix", "a memory has one prefix, and it comes first")
        if tokens < 1:
            raise InvalidInput("prefix", "is empty; a memory begins with at least one token")
        slab = self._slabs.take(tokens + self.config.budget + self.config.headroom)
        self._held = Held(slab, Clock(self.shape.axes), FrameTable(), tokens)
        slab.frames[:, :tokens], slab.until[:, :tokens] = -1, STANDS
        return self._begin(self._held.clock.text(tokens, self.shape.device), ())

    def begin_frames(
        self,
        stamps: Sequence[FrameStamp],
        layouts: FrameLayout | Sequence[FrameLayout],
        *,
        after_gap: bool = False,
    ) -> AppendRow:
        """A row for frames. The memory changes at `commit`.

        `layouts`: one for each frame, or one for all. Each may have any number of
        tokens. `after_gap`: whether there is a gap before the first of them.
        """
        if self._held is None:
            raise InvalidInput("frames", "the prefix comes first")
        if not stamps:
            raise InvalidInput("frames", "there are none")
        if isinstance(layouts, FrameLayout):
            layouts = [layouts] * len(stamps)
        check_layouts(layouts, len(stamps), self.shape.axes, self.room())
        layouts = shortened(layouts, self.position_room, self.config.position_limit)
        # What allocates on the device comes before the row is open.
        slab = self._held.slab
        frames, patches = self._held.numbered(layouts)
        positions = self._held.clock.frames(layouts)
        row = self._begin(positions, tuple(stamps), tuple(layouts), after_gap=after_gap)
        new = slice(row.start, row.start + row.tokens)
        slab.frames[:, new] = frames
        slab.patches[:, new] = patches
        slab.until[:, new] = STANDS
        return row

    def _begin(
        self,
        positions: Tensor,
        stamps: tuple[FrameStamp, ...],
        layouts: tuple[FrameLayout, ...] = (),
        *,
        after_gap: bool = False,
    ) -> AppendRow:
        self._require_idle()
        slab = self.held.slab
        slab.begin_pass()
        slab.positions[:, :, slab.length : slab.length + positions.shape[1]] = positions
        row = AppendRow(self.rotary, slab, positions, stamps, layouts, after_gap=after_gap)
        self._pending = row
        return row

    def guide(
        self, prompt_tokens: Sequence[int], projections: Sequence[Projections] = ()
    ) -> tuple[GuidanceRow | EmbeddingsRow, ...]:
        """Rows for the guidance prompts, to be packed after the open row in the same pass.

        The next compression uses their attention, unless more frames are added
        before it. `projections`: of each prompt, if its bare embeddings are to guide.
        """
        row = self._pending
        if row is None or not row.layouts:
            raise RuntimeError("guidance goes with frames: begin them first")
        seen = row.start + row.tokens
        clock = self.held.clock.copy()
        clock.took_frames(row.layouts)
        start = clock.next_text
        rows: list[GuidanceRow | EmbeddingsRow] = []
        for number, tokens in enumerate(prompt_tokens):
            line = torch.arange(start, start + tokens, device=self.shape.device)
            positions = line.expand(self.shape.axes, tokens)
            place = row.slab, self.rotary, positions, self.prefix_length, seen
            rows.append(
                EmbeddingsRow(*place, projections[number]) if projections else GuidanceRow(*place)
            )
        row.guidance = tuple(guide.attention for guide in rows)
        return tuple(rows)

    def commit(self, row: AppendRow, finite: Sequence[bool] | None = None) -> None:
        """Make the tokens that the row's forward pass wrote part of the memory.

        `finite`: the values of `row.finite`, if they were read already. Raises
        `InvalidInput` if not all is finite. Nothing has changed then, and the row
        is still open: abandon it.
        """
        if row is not self._pending:
            raise RuntimeError("this row is not open")
        written, guidance = row.finite().tolist() if finite is None else finite
        if not written:
            raise InvalidInput(
                "frames" if row.layouts else "prefix",
                "became values that are not finite: the weights are damaged, or their dtype is too"
                " narrow",
            )
        if not guidance:
            raise InvalidInput(
                "attention", "holds values that are not finite, in a guidance prompt"
            )
        self._pending = None
        if self._closed:
            row.slab.retire()
            return
        held = self.held
        held.slab.length += row.tokens
        held.guidance = row.guidance
        if not row.layouts:
            held.clock.took_text(row.tokens)
            return
        held.took(row.layouts)
        for number, (stamp, layout) in enumerate(zip(row.stamps, row.layouts, strict=True)):
            gap = row.after_gap and number == 0
            held.table.add(stamp, after_gap=gap, tokens=layout.tokens)

    def abandon(self, row: AppendRow) -> None:
        """Discard the tokens that the row's forward pass wrote, as if it had never begun."""
        if row is self._pending:
            self._pending = None
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
        """Compress every layer to its budget. Returns None if there was nothing to do."""
        self._require_no_row()
        if self._closed:
            return None
        held, config = self.held, self.config
        excess = held.video_tokens - config.budget
        reindex = self._positions_run_out() or (config.reindex == "eager" and excess > 0)
        if excess <= 0 and not reindex:
            return None
        source = target = held.slab
        whole = None
        if excess > 0:
            target, whole = evict(
                held, self.policy, config.budget, self._slabs, keep_present=config.keep_present
            )
        elif source.readers:
            target = self._slabs.take(source.capacity)
            source.keep(every_index(source, source.length), into=target)
        held.slab, held.guidance = target, ()
        if target is not source:
            source.retire()
        if reindex:
            held.reindex()
        if whole is not None:
            held.forget_lost_frames(whole, ends=config.keep_present)
        return Compression(max(0, excess) * self.shape.layers, reindex)

    def _positions_run_out(self) -> bool:
        # Each token of headroom moves the clock on by at most one position.
        return self.position_room < self.config.headroom

    # -- reading -----------------------------------------------------------

    def branch(
        self,
        room: int,
        frames: Sequence[tuple[Tensor, FrameLayout]] = (),
        *,
        numbers: Sequence[int] = (),
        span: Span | None = None,
        waiting: Waiting | None = None,
    ) -> Branch:
        """Open a branch for a question and its answer of at most `room` tokens in all. Close it.

        `frames`: features [tokens, width] and layouts of frames that are not in memory, and come
        right after it: the branch's first row begins with them, beside the `room`. `numbers`:
        theirs, by default those that come next. `span`: it sees what is within it alone (as
        `frames` are); raises `InvalidInput` if nothing is. `waiting`: coverage tells of it, too.
        """
        self._require_open()
        held, opening = self.held, None
        if frames:
            layouts = [layout for _, layout in frames]
            layouts = shortened(layouts, self.position_room, self.config.position_limit)
            numbers = numbers or range(held.table.seen, held.table.seen + len(frames))
            opening = Opening.of([own for own, _ in frames], layouts, held.clock, numbers)
        seen = view(held, span, waiting, standing=self.config.keep_present, shown=bool(frames))
        slab = seen.source(held.slab, self.rotary, self._slabs)
        position = seen.next_position(held.slab, self.next_position)
        return Branch(slab, self.rotary, position, room, seen.coverage, opening, seen.span)

    def can_be_read(self, span: Span | None = None) -> bool:
        """Whether there is room to read it on one more branch, of this span."""
        return self._slabs.can_read or (span is None and self.held.slab.readers > 0)

    def stamp_of(self, number: int) -> FrameStamp | None:
        """The stamp of a frame, if it is known."""
        return self.held.table.stamp_of(number)

    @property
    def closed(self) -> bool:
        """Whether the memory was closed."""
        return self._closed

    def close(self) -> None:
        """Close this memory. Open branches can still be read, and a pass under way can end.

        Its slab returns to the pool. Closing again does nothing; any other use of a
        closed memory is an error.
        """
        if self._closed or self._held is None:
            return
        self._closed = True
        if self._pending is None:
            self._held.slab.retire()

    # -- copying and restoring ---------------------------------------------

    def state(self) -> MemoryState:
        """A copy of the whole memory, on the host. Open branches are not disturbed."""
        return self.capture().state()

    def capture(self, copier: Copier | None = None, **header: Any) -> Capture:
        """A copy in steps. Until the last one this memory may be read, but must not change.

        `copier`: as for a `Capture`. `header`: what else goes into the header of the state.
        """
        self._require_idle()
        kind = kind_of(self.shape, self.config, self.policy)
        return Capture(self.held, {**kind, **header}, copier, ends=self.config.keep_present)

    def restore(self, state: MemoryState) -> None:
        """Replace the content by that of `state`. The memory continues bit-equal from there.

        Raises `SnapshotMismatch` or `SnapshotCorrupt`; nothing has changed
        then. A memory that has its prefix also refuses a state whose prefix was
        written by other weights.
        """
        self._require_idle()
        before = self._held
        self._held = restored(state, self.config, self.policy, self._slabs, before)
        if before is not None:
            before.slab.retire()

    def _require_idle(self) -> None:
        self._require_no_row()
        self._require_open()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("this memory is closed: its slab may be another's")

    def _require_no_row(self) -> None:
        if self._pending is not None:
            raise RuntimeError("a row is open: commit or abandon it first")
