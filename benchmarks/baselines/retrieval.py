"""Keep everything, and fetch what a question is about: the alternative to retention.

After ReKV (arXiv 2503.00540), its internal retrieval:

- A frame is prefilled with a sliding local window: it sees the prefix, the
  frames of the window, and itself. Its keys and values are then kept in host
  memory.
- In each layer a frame is represented by the mean of its keys, and a question
  by the mean of its queries, both without rotation, with the heads
  concatenated. With grouped heads, the queries that share a key head are
  summed, which ranks as if the key head were repeated for each of them.
- Each layer fetches its own k frames of the highest cosine similarity. They
  get dense positions after the prefix in stream order, whatever positions they
  were written at, and the question follows them.
- The answer continues over the same frames. It sees the prefix, the fetched
  frames and itself, but not the local window unless its frames were fetched.

A block is one frame here. The paper also describes a retriever outside the
model, which this is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput
from hermes.memory import (
    AppendRow,
    Branch,
    CacheShape,
    Coverage,
    FrameLayout,
    FrameStamp,
    MemoryConfig,
    Rotary,
    SlidingWindow,
    StreamMemory,
)
from hermes.memory.coverage import FrameTable
from hermes.memory.positions import Clock
from hermes.memory.slab import Slab

_FIRST_ROOM = 64  # frames; doubles when it is full


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """How many frames are fetched, and how far back a frame sees.

    `fetched_frames`: k, for each question and layer. `window_frames`: the fewest
    earlier frames that a frame sees when it is prefilled; up to `window_slack`
    more, as the window moves by so many at once. `max_frames`: the most in host
    memory, where the oldest is dropped first; None for no limit.
    """

    fetched_frames: int
    window_frames: int
    position_limit: int
    window_slack: int = 1
    position_reserve: int = 1024
    max_frames: int | None = None

    def __post_init__(self) -> None:
        for name in ("fetched_frames", "window_frames", "window_slack"):
            if getattr(self, name) < 1:
                raise InvalidInput(name, "must be at least 1")
        if self.max_frames is not None and self.max_frames < 1:
            raise InvalidInput("max_frames", "must be at least 1, or None for no limit")


@dataclass(frozen=True, slots=True, eq=False)
class StoredFrame:
    """One frame's cache on the host: `keys`, not rotated, and `values`, each
    [layers, kv_heads, tokens, head_dim]; and `vector` [layers, kv_heads * head_dim],
    of length 1, by which it is found.
    """

    keys: Tensor
    values: Tensor
    vector: Tensor

    @classmethod
    def of(cls, keys: Tensor, values: Tensor) -> StoredFrame:
        """A copy of a frame's cache, [layers, kv_heads, tokens, head_dim] each."""
        mean = keys.to(torch.float32).mean(dim=2).flatten(1)
        vector = functional.normalize(mean, dim=-1).cpu()
        return cls(_to_host(keys), _to_host(values), vector)


class FrameStore:
    """Frames in host memory, and the vectors that they are found by."""

    def __init__(self, shape: CacheShape, max_frames: int | None) -> None:
        self._shape = shape
        self._max = max_frames
        self._frames: deque[StoredFrame] = deque()
        self._first = 0
        self._vectors = self._room_for(_FIRST_ROOM)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def capacity(self) -> int:
        """How many vectors there is room for."""
        return self._vectors.shape[1]

    @property
    def bytes(self) -> int:
        """Bytes that keys and values take in host memory."""
        return sum(2 * f.keys.numel() * f.keys.element_size() for f in self._frames)

    def make_room(self) -> None:
        """Allocate what the next frame needs."""
        if self._first + len(self._frames) == self.capacity:
            grown = self._room_for(max(_FIRST_ROOM, 2 * len(self._frames)))
            grown[:, : len(self._frames)] = self._vectors[:, self._first :]
            # Open branches keep the old tensor: what they see never moves.
            self._vectors, self._first = grown, 0

    def add(self, frame: StoredFrame) -> None:
        """Store a frame; the oldest leaves if there are more than `max_frames`."""
        self.make_room()
        self._vectors[:, self._first + len(self._frames)] = frame.vector
        self._frames.append(frame)
        if self._max is not None and len(self._frames) > self._max:
            self._frames.popleft()
            self._first += 1

    def view(self) -> tuple[tuple[StoredFrame, ...], Tensor]:
        """The frames as they are now, and their vectors [layers, frames, kv_heads * head_dim]."""
        return tuple(self._frames), self._vectors[:, self._first : self._first + len(self._frames)]

    def _room_for(self, frames: int) -> Tensor:
        width = self._shape.kv_heads * self._shape.head_dim
        return torch.empty((self._shape.layers, frames, width), dtype=torch.float32)


class RetrievalMemory:
    """All of one stream in host memory; the device holds the prefix and a local window.

    Host memory grows by `CacheShape.bytes_per_token` for each token of video
    (7B class, 196 tokens a frame: 11 MB a frame) unless `max_frames` bounds it.
    Used like a `StreamMemory`; not thread-safe.
    """

    def __init__(self, shape: CacheShape, rotary: Rotary, config: RetrievalConfig) -> None:
        self.shape = shape
        self.rotary = rotary
        self.config = config
        self.store = FrameStore(shape, config.max_frames)
        self._table = FrameTable()
        self._window: StreamMemory | None = None
        self._prefix: tuple[Tensor, Tensor] | None = None
        self._prefix_length = 0
        self._layout: FrameLayout | None = None

    @property
    def window_bytes(self) -> int:
        """Bytes of video cache that the local window takes on the device."""
        return 0 if self._window is None else self._window.kv_bytes

    def coverage(self) -> Coverage:
        """The frames that can be fetched."""
        return self._table.coverage()

    def begin_prefix(self, tokens: int, layout: FrameLayout) -> AppendRow:
        """A row for the system prefix. `layout` is that of all frames to come."""
        if self._window is not None:
            raise InvalidInput("prefix", "a memory has one prefix, and it comes first")
        if tokens < 1:
            raise InvalidInput("prefix", "is empty; a memory begins with at least one token")
        config, longest = self.config, self.config.fetched_frames
        clock = Clock(self.shape.axes)
        clock.took_text(tokens)
        clock.took_frames([layout] * longest)
        if clock.next_text + config.position_reserve > config.position_limit:
            raise InvalidInput(
                "fetched_frames",
                f"{longest} frames and {config.position_reserve} positions for a question exceed"
                f" the model's {config.position_limit} positions",
            )
        window = MemoryConfig(
            budget=config.window_frames * layout.tokens,
            headroom=config.window_slack * layout.tokens,
            position_limit=config.position_limit,
            position_reserve=0,
        )
        self._layout, self._prefix_length = layout, tokens
        self._window = StreamMemory(self.shape, self.rotary, window, SlidingWindow())
        return self._window.begin_prefix(tokens)

    def begin_frame(self, stamp: FrameStamp, *, after_gap: bool = False) -> AppendRow:
        """A row for the next frame. The memory changes at `commit`."""
        window, layout = self._ready()
        if window.room() < layout.tokens:
            window.compress()
        return window.begin_frames([stamp], layout, after_gap=after_gap)

    def commit(self, row: AppendRow, finite: Sequence[bool] | None = None) -> None:
        """Make what the row's forward pass wrote part of the memory, on the host too.

        As `StreamMemory.commit`.
        """
        window, slab = self._require_window(), row.slab
        new = slice(row.start, row.start + row.tokens)
        keys, values = slab.keys[:, :, new], slab.values[:, :, new]
        if not row.layouts:
            window.commit(row, finite)
            self._prefix = keys.clone(), values.clone()
            return
        self.store.make_room()  # what allocates comes first
        frame = StoredFrame.of(keys, values)
        window.commit(row, finite)
        self.store.add(frame)
        self._table.add(row.stamps[0], after_gap=row.after_gap)
        if (limit := self.config.max_frames) is not None and self._table.seen > limit:
            first = self._table.seen - limit
            self._table.retain(range(first, self._table.seen), first)

    def abandon(self, row: AppendRow) -> None:
        """Forget what the row's forward pass wrote, as if it had never begun."""
        self._require_window().abandon(row)

    def branch(self, room: int) -> Branch:
        """A branch for one question and its answer. Frames are fetched for its first row."""
        _, layout = self._ready()
        assert self._prefix is not None
        frames, vectors = self.store.view()
        count = min(self.config.fetched_frames, len(frames))
        clock = Clock(self.shape.axes)
        positions = [clock.text(self._prefix_length, self.shape.device)]
        clock.took_text(self._prefix_length)
        if count:
            positions.append(clock.frames([layout] * count))
            clock.took_frames([layout] * count)
        slab = _slab_for(self.shape, self._prefix, torch.cat(positions, dim=1))
        fetch = Fetch(frames, vectors, count, self._prefix_length)
        return RetrievalBranch(fetch, slab, self.rotary, clock.next_text, room, self.coverage())

    def _ready(self) -> tuple[StreamMemory, FrameLayout]:
        if self._layout is None or self._prefix is None:
            raise InvalidInput("memory", "is empty: the prefix comes first")
        return self._require_window(), self._layout

    def _require_window(self) -> StreamMemory:
        if self._window is None:
            raise InvalidInput("memory", "is empty: the prefix comes first")
        return self._window


@dataclass(frozen=True, slots=True, eq=False)
class Fetch:
    """What a branch may fetch, as it was when the branch was opened.

    `vectors`: [layers, frames, kv_heads * head_dim], of length 1. `count`: how
    many frames to fetch. `start`: where they go in the branch's slab.
    """

    frames: Sequence[StoredFrame]
    vectors: Tensor
    count: int
    start: int


class RetrievalBranch(Branch):
    """Fetches frames for its first row, layer by layer, into a slab of its own."""

    def __init__(
        self,
        fetch: Fetch,
        slab: Slab,
        rotary: Rotary,
        position: int,
        room: int,
        coverage: Coverage,
    ) -> None:
        super().__init__(slab, rotary, position, room, coverage)
        self._fetch = fetch
        self._fetched = slab
        self.chosen: dict[int, list[int]] = {}
        """Layer -> the frames that were fetched for it, as indices in the store; ascending."""

    def attend(
        self,
        layer: int,
        query: Tensor,
        rotated: tuple[Tensor, Tensor],
        value: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        """As `Branch.attend`, once the layer's frames have been fetched."""
        if layer not in self.chosen:
            self._fetch_for(layer, query)
        return super().attend(layer, query, rotated, value, mask)

    def _fetch_for(self, layer: int, query: Tensor) -> None:
        fetch, slab = self._fetch, self._fetched
        vector = question_vector(query, slab.shape.kv_heads).cpu()
        chosen = most_similar(vector, fetch.vectors[layer], fetch.count)
        start = fetch.start
        for frame in (fetch.frames[index] for index in chosen):
            end = start + frame.keys.shape[2]
            slab.keys[layer, :, start:end].copy_(frame.keys[layer], non_blocking=True)
            slab.values[layer, :, start:end].copy_(frame.values[layer], non_blocking=True)
            start = end
        self.chosen[layer] = chosen


def _slab_for(shape: CacheShape, prefix: tuple[Tensor, Tensor], positions: Tensor) -> Slab:
    """A slab with the prefix, and room for as many tokens as there are positions."""
    slab, tokens = Slab(shape, positions.shape[1]), prefix[0].shape[2]
    slab.keys[:, :, :tokens], slab.values[:, :, :tokens] = prefix
    slab.positions[:] = positions
    slab.length = slab.capacity
    return slab


def question_vector(query: Tensor, kv_heads: int) -> Tensor:
    """[heads, tokens, head_dim], not rotated -> [kv_heads * head_dim] fp32: what to search for."""
    mean = query.to(torch.float32).mean(dim=1)
    return mean.view(kv_heads, -1, mean.shape[-1]).sum(dim=1).flatten()


def most_similar(vector: Tensor, vectors: Tensor, count: int) -> list[int]:
    """The `count` rows of [n, width], each of length 1, nearest by angle; in ascending order.

    Of equally near ones the newer.
    """
    similarity = vectors @ vector
    newest_first = torch.argsort(similarity.flip(0), descending=True, stable=True)[:count]
    return sorted((len(vectors) - 1 - newest_first).tolist())


def _to_host(tensor: Tensor) -> Tensor:
    host: Tensor = tensor.detach().to("cpu", copy=True).contiguous()
    if not tensor.is_cuda:
        return host
    pinned: Tensor = host.pin_memory()  # so that fetching it does not block
    return pinned
