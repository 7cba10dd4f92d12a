"""A model and one stream's memory: feed frames, ask questions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.errors import InvalidInput, SnapshotCorrupt
from hermes.memory import (
    POLICIES,
    Branch,
    Capture,
    Compression,
    Coverage,
    FrameStamp,
    Hermes,
    MemoryConfig,
    MemoryState,
    PackedPass,
    Projections,
    RetentionPolicy,
    SlabPool,
    StreamMemory,
)
from hermes.memory.header import Header, plain, same
from hermes.memory.state import state_limit
from hermes.vlm.base import VideoModel
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.guidance import guidance_of, guidance_prompts, projections
from hermes.vlm.picture_memory import PictureMemory
from hermes.vlm.preprocess import fit

COMPRESS_EVERY_FRAMES = 16
POSITION_RESERVE = 1024
UNPAIRED = "unpaired"
"""A tensor of a state: [n, 3, height, width] uint8, pictures of a frame that is not complete."""

_NAMES_IN_SNAPSHOTS = {"demo": "weights"}
"""Snapshots of the demo model carry its folder's name, which once was its name everywhere."""


def position_reserve(model: VideoModel) -> int:
    """How many positions to keep free for a question and its answer."""
    return min(POSITION_RESERVE, model.position_limit // 4)


class VideoMemory(PictureMemory):
    """A model's KV cache of one camera's stream, within a budget.

    `feed` adds frames, `ask` answers from what is kept. Neither waits for the
    other: an answer under way sees the memory as it was when it began.
    Not thread-safe: the model belongs to one thread.
    """

    def __init__(
        self,
        model: VideoModel,
        policy: str | RetentionPolicy = "hermes",
        *,
        budget: int = 4000,
        compress_every_frames: int = COMPRESS_EVERY_FRAMES,
        config: MemoryConfig | None = None,
        prompts: tuple[Tensor, Tensor] | None = None,
        slabs: SlabPool | None = None,
    ) -> None:
        """`budget`: video tokens per layer. `config` overrides it and all limits.

        `prompts`: embeddings of the guidance prompts, to share between memories
        of one model. `slabs`: a pool to share between them.
        """
        if isinstance(policy, str):
            if policy not in POLICIES:
                raise InvalidInput("policy", f"is unknown; known: {', '.join(sorted(POLICIES))}")
            policy = POLICIES[policy]()
        if compress_every_frames < 1:
            raise InvalidInput("compress_every_frames", "must be at least 1")
        if config is None:
            config = MemoryConfig(
                budget=budget,
                headroom=compress_every_frames * model.layout.tokens,
                position_limit=model.position_limit,
                position_reserve=position_reserve(model),
            )
        _check_room(config, policy, model.layout.tokens)
        super().__init__(model)
        self.cache = StreamMemory(model.shape, model.rotary, config, policy, slabs)
        self._every = compress_every_frames
        self._since_compression = 0
        self._prompts = prompts
        if policy.guided and prompts is None:
            self._prompts = guidance_prompts(model, guidance_of(policy))
        self._projections: list[Projections] = []
        if self._prompts is not None and guidance_of(policy) == "embeddings":
            self._projections = [projections(model, prompt) for prompt in self._prompts]
        self._read_prefix()

    @property
    def name(self) -> str:
        """The retention policy's name."""
        return self.cache.policy.name

    @property
    def device_bytes(self) -> int:
        """Bytes of cache on the device between two questions."""
        return self.cache.kv_bytes

    @property
    def host_bytes(self) -> int:
        """Bytes in host memory: none."""
        return 0

    @torch.inference_mode()
    def _read_prefix(self) -> None:
        prefix = self.model.prefix()
        row = self.cache.begin_prefix(len(prefix))
        hidden = self.model.forward(prefix, PackedPass([row]))
        self.cache.commit(row, row.finite(hidden).tolist())

    @property
    def frames_at_once(self) -> int:
        """How many frames may come in one step, so that a compression follows its last one."""
        room = self.cache.room() // self.model.layout.tokens
        return max(1, min(self._every - self._since_compression, room))

    def begin(self, features: Tensor, stamps: Sequence[FrameStamp]) -> FrameStep:
        """Begin a step with frames [n, tokens of a frame, width], n at most `frames_at_once`.

        They come from `collect`, in order. Run the model over the step's rows,
        then call `end` or `abandon`; `hermes.vlm.take_together` does all of it.
        """
        cache, layout = self.cache, self.model.layout
        row = cache.begin_frames(stamps, layout, after_gap=self._after_gap)
        try:
            due = (
                self._since_compression + len(stamps) >= self._every
                or cache.room() < row.tokens + layout.tokens
            )
            step = FrameStep(row, features.flatten(0, 1), due)
            if due and self._prompts is not None and cache.over_budget_with > 0:
                lengths = [len(prompt) for prompt in self._prompts]
                step.guide(self._prompts, cache.guide(lengths, self._projections))
        except BaseException:
            cache.abandon(row)  # a device without room can fail here, too
            raise
        return step

    def end(self, step: FrameStep, finite: Sequence[bool]) -> Compression | None:
        """Commit the step's frames once its pass is done, and compress if it is time.

        `finite`: what `FrameStep.finite` found. Raises `InvalidInput` if not
        all is finite; the step is still open then: abandon it.
        """
        self.cache.commit(step.frames, finite)
        self._after_gap = False  # a frame that failed passes the gap on to the next
        if not step.due:
            self._since_compression += len(step.frames.stamps)
            return None
        self._since_compression = 0
        return self.cache.compress()

    def abandon(self, step: FrameStep) -> None:
        """Forget the step, as if it had never begun."""
        self.cache.abandon(step.frames)

    def _take(self, pictures: Tensor, stamp: FrameStamp) -> Compression | None:
        step = self.begin(self.model.encode(pictures), [stamp])
        try:
            hidden = self.model.forward(torch.cat(step.inputs), PackedPass(step.rows))
            return self.end(step, step.finite(hidden).tolist())
        except BaseException:
            self.abandon(step)
            raise

    def mark_lost(self, since_ms: int) -> None:
        """Report in `coverage` that an earlier memory of this camera was lost.

        `since_ms`: capture time of its last known frame. Before the first frame is taken.
        """
        self.cache.mark_lost(since_ms)

    def coverage(self) -> Coverage:
        """What the memory can know about."""
        return self.cache.coverage()

    def branch(self, room: int) -> Branch:
        """A branch for one question and its answer of at most `room` tokens. Close it after use."""
        return self.cache.branch(room)

    def close(self) -> None:
        """End this memory. Its slab goes to the next one of the same pool."""
        self.cache.close()

    def state(self) -> MemoryState:
        """A copy of everything, on the host, for `restore`. Open answers are not disturbed.

        It includes pictures that wait for the others of their frame, in the model's size.
        """
        return self.capture().state()

    def capture(self) -> Capture:
        """A copy in steps. Until the last one this memory may answer, but must not change."""
        capture = self.cache.capture(
            video={
                "since_compression": self._since_compression,
                "after_gap": self._after_gap,
                "model": plain(self._fingerprint()),
            }
        )
        if self._unpaired:
            capture.add(UNPAIRED, fit(torch.stack(self._unpaired), self.model.frame_size))
        return capture

    def restore(self, state: MemoryState) -> None:
        """Become what `state` was taken of, on any device.

        Raises `SnapshotMismatch` if it was taken with another model, budget or
        policy, and `SnapshotCorrupt` if it is damaged; nothing has changed
        then.
        """
        video = Header(state.header).section("video")
        same("model", video.mapping("model"), plain(self._fingerprint()))
        since = video.integer("since_compression", 0, self._every)
        after_gap = video.flag("after_gap")
        tensors = dict(state.tensors)
        unpaired = tensors.pop(UNPAIRED, None)
        if unpaired is not None:
            self._check_unpaired(unpaired)
        self.cache.restore(MemoryState(state.header, tensors))
        self._since_compression, self._after_gap = since, after_gap
        self._unpaired = [] if unpaired is None else list(unpaired)

    def _check_unpaired(self, pictures: Tensor) -> None:
        most, size = self.model.pictures_per_frame - 1, (3, *self.model.frame_size)
        fits = pictures.ndim == 4 and tuple(pictures.shape[1:]) == size
        if pictures.dtype != torch.uint8 or not fits or not 0 < len(pictures) <= most:
            raise SnapshotCorrupt(
                f"the snapshot has pictures {list(pictures.shape)} that wait for the rest of their"
                f" frame: this model has at most {most} of {list(size)}"
            )

    @property
    def state_limit(self) -> int:
        """The most bytes of tensors that a state of this memory can have."""
        height, width = self.model.frame_size
        pictures = 3 * height * width * (self.model.pictures_per_frame - 1)
        cache = self.cache
        return pictures + state_limit(cache.shape, cache.config, cache.prefix_length)

    def _fingerprint(self) -> dict[str, object]:
        """What a model must have in common with the one that a snapshot was taken with."""
        model = self.model
        return {
            "name": _NAMES_IN_SNAPSHOTS.get(model.name, model.name),
            "pictures_per_frame": model.pictures_per_frame,
            "frame_tokens": model.layout.tokens,
            "frame_extent": model.layout.offsets.amax(dim=1).tolist(),
            "frame_advance": model.layout.advance,
            "compress_every_frames": self._every,
        }


def _check_room(config: MemoryConfig, policy: RetentionPolicy, frame_tokens: int) -> None:
    """Raises `InvalidInput` if a frame, or the frames to keep whole, would not fit."""
    for name, tokens in (("budget", config.budget), ("headroom", config.headroom)):
        if tokens < frame_tokens:
            raise InvalidInput(
                name, f"{tokens} tokens are less than one frame: this model makes {frame_tokens}"
            )
    if isinstance(policy, Hermes):
        policy.check_room(config.budget, frame_tokens)
