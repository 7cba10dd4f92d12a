"""A model and one stream's memory: feed frames, ask questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import (
    POLICIES,
    Branch,
    Capture,
    Compression,
    Copier,
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
    Waiting,
    lies_within,
)
from hermes.memory.changes import ChangeConfig, Changes
from hermes.question import Span
from hermes.vlm.base import VideoModel
from hermes.vlm.encoded import EncodedFrame, FramePictures, FrameTime
from hermes.vlm.feature_unit import feature_unit
from hermes.vlm.frame_step import FrameStep
from hermes.vlm.glance import Coming, Glance, glances
from hermes.vlm.guidance import guidance_of, guidance_prompts, projections
from hermes.vlm.intake import Intake
from hermes.vlm.live_picture import Changed, LivePicture
from hermes.vlm.pace import Pace
from hermes.vlm.picture_memory import PictureMemory
from hermes.vlm.preprocess import check_pictures
from hermes.vlm.video_state import VideoSettings, VideoState

COMPRESS_EVERY_FRAMES = 16
POSITION_RESERVE = 1024


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
        changes: ChangeConfig | None = None,
        present_frames: int = 1,
    ) -> None:
        """`budget`: video tokens per layer. `config` overrides it and all limits.

        `prompts`: embeddings of the guidance prompts, to share between memories
        of one model. `slabs`: a pool to share between them. `changes`: take in only
        what has changed since it was last taken in; None takes in all of each frame.
        `present_frames`: how many of the newest frames a question then sees in full.
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
                headroom=compress_every_frames * model.most_frame_tokens,
                position_limit=model.position_limit,
                position_reserve=position_reserve(model),
            )
        if changes is not None:
            if not isinstance(policy, Hermes):
                raise InvalidInput(
                    "changes",
                    f"cannot be used with the policy {policy.name}, which does not keep the present"
                    " picture; take hermes, or take in frames in full",
                )
            reserve = config.position_reserve + present_frames * model.layout.span
            # With a threshold of 0 it keeps what a memory of whole frames does.
            config = replace(config, keep_present=changes.threshold > 0, position_reserve=reserve)
        config.check_room(most := model.most_frame_tokens)
        if isinstance(policy, Hermes):
            policy.check_room(config.budget, most, keep_present=config.keep_present)
        super().__init__(model)
        self.cache = StreamMemory(model.shape, model.rotary, config, policy, slabs)
        self._pace = Pace(compress_every_frames * most, most)
        self._start_ms: int | None = None
        self._before_ms: int | None = None
        self._present: FramePictures | None = None
        self._present_encoded: EncodedFrame | None = None
        self._prompts = prompts
        if policy.guided and prompts is None:
            self._prompts = guidance_prompts(model, guidance_of(policy))
        self._projections: list[Projections] = []
        if self._prompts is not None and guidance_of(policy) == "embeddings":
            self._projections = [projections(model, prompt) for prompt in self._prompts]
        self.intake = Intake()
        shown_frames = 0 if changes is None else present_frames
        self._settings = VideoSettings(model, compress_every_frames, shown_frames)
        self._picture: LivePicture | None = None
        if changes is not None:
            watch = Changes(changes, feature_unit(model), model.levels)
            dense = model.shape.axes == 1
            self._picture = LivePicture(watch, present_frames, dense=dense)
        self._read_prefix()

    @property
    def name(self) -> str:
        """The retention policy's name; with what is taken in, if that is not all."""
        name = self.cache.policy.name
        return name if self._picture is None else f"{name}, changes"

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

    def tokens_of(self, picture: Tensor) -> int:
        """How many tokens a frame of pictures [3, height, width] like this one has, at most."""
        check_pictures(picture.unsqueeze(0))
        return self.model.frame_tokens((picture.shape[-2], picture.shape[-1]))

    @property
    def tokens_at_once(self) -> int:
        """How many tokens of whole frames the tower reads at once: those of one compression.

        One frame may come in any case.
        """
        return self._pace.every

    def coming(self, frames: Sequence[EncodedFrame], stamps: Sequence[FrameStamp]) -> Coming | None:
        """Frames that come next, to look for what changed in them (`glances`); None where all of
        it is taken in.
        """
        return None if self._picture is None else self._picture.coming(frames, stamps)

    def changed(
        self, glance: Glance | None, numbers: Sequence[Sequence[float]] = ()
    ) -> Changed | None:
        """What changed in them, for `begin`. `numbers`: the glance's, on the host."""
        if self._picture is None or glance is None:
            return None
        return self._picture.changed(glance, numbers)

    def begin(
        self,
        frames: Sequence[EncodedFrame],
        stamps: Sequence[FrameStamp],
        changed: Changed | None = None,
    ) -> FrameStep:
        """Begin a step with the first of these frames: those before the next compression.

        They come from `collect`, in order, and `changed` is of them. Run the model
        over the step's rows, then call `end` or `abandon`;
        `hermes.vlm.take_together` does all of it.
        """
        cache = self.cache
        if self._picture is not None:
            if changed is None:
                raise RuntimeError("a memory that takes in changes looks at frames first")
            frames = changed.frames
        layouts = [frame.layout for frame in frames]
        count, due = self._pace.before_compression(cache, layouts)
        row = cache.begin_frames(stamps[:count], layouts[:count], after_gap=self._after_gap)
        try:
            part = None if changed is None else changed.first(count)
            step = FrameStep(row, frames[:count], due, part)
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
        self._account(step)
        self._start_ms = step.first_ms if self._start_ms is None else self._start_ms
        self._before_ms = step.last_ms
        self._present = self._present_encoded = None  # it is in memory
        self._pace.took(step.frames.tokens, compressed=step.due)
        return self.cache.compress() if step.due else None

    def _account(self, step: FrameStep) -> None:
        taken = [layout.tokens for layout in step.frames.layouts]
        if step.changed is None or self._picture is None:
            self.intake.took(zip(taken, taken, strict=True), [1.0] * len(taken))
            return
        self._picture.took(step.changed)
        whole = [frame.layout.tokens for frame in step.changed.glance.frames]
        self.intake.took(zip(taken, whole, strict=True), step.changed.shares)

    def abandon(self, step: FrameStep) -> None:
        """Forget the step, as if it had never begun."""
        self.cache.abandon(step.frames)

    def encoded(
        self, features: Sequence[Tensor], frames: Sequence[FramePictures]
    ) -> list[EncodedFrame]:
        """Frames for `begin`, from what the model's tower made of their pictures."""
        model, start, before = self.model, self._start_ms, self._before_ms
        made = []
        for own, frame in zip(features, frames, strict=True):
            first = frame.times_ms[0]
            start = first if start is None else start
            time = FrameTime(
                tuple(max(0, at - start) for at in frame.times_ms),
                None if before is None else max(0, before - start),
            )
            plain = EncodedFrame(own, model.layout_of(frame.size), first)
            made.append(model.timed(plain, time))
            before = first
        return made

    def _take(self, frame: FramePictures) -> Compression | None:
        frames = self.encoded(self.model.encode(frame.pictures), [frame])
        coming = self.coming(frames, [frame.stamp])
        glance = None if coming is None else glances([coming])[0]
        numbers = [] if glance is None else glance.numbers.tolist()
        step = self.begin(frames, [frame.stamp], self.changed(glance, numbers))
        try:
            hidden = self.model.forward(torch.cat(step.inputs), PackedPass(step.rows))
            return self.end(step, step.finite(hidden).tolist())
        except BaseException:
            self.abandon(step)
            raise

    def take(
        self, picture: Tensor, stamp: FrameStamp, *, after_gap: bool = False
    ) -> Compression | None:
        """As `PictureMemory.take`. A picture that waits is shown to questions meanwhile."""
        try:
            return super().take(picture, stamp, after_gap=after_gap)
        finally:
            self.settle()

    def settle(self) -> None:
        """Show the pictures that wait now, if any, to later questions.

        Until this is called, questions see what waited before: of a pass under way
        they see nothing, or everything.
        """
        waiting = self._unpaired
        self._present = self._repeated(waiting) if waiting else None
        self._present_encoded = None

    @property
    def present_tokens(self) -> int:
        """The most tokens of frames that a branch begins with, beside a question."""
        newest = [] if self._picture is None else self._picture.present
        if self._present is None:
            return sum(frame.layout.tokens for frame in newest)
        waiting = self.model.frame_tokens(self._present.size)
        return waiting + sum(frame.layout.tokens for frame in newest[1:])

    def _present_frames(self, span: Span | None) -> dict[int, EncodedFrame]:
        """Frames for a branch to begin with, by number, of those within `span`: the newest in full,
        of which memory holds only what changed, and one that waits for the rest of its pictures.
        Encoded at most once.
        """
        newest = [] if self._picture is None else self._picture.present
        seen = self.cache.coverage().frames_seen
        found = dict(enumerate(newest, seen - len(newest)))
        if self._present is not None:
            found.pop(seen - len(newest), None)  # as many as before: the waiting one is newer
        if span is not None:
            found = {n: frame for n, frame in found.items() if lies_within(span, self.stamp_of(n))}
        if self._present is None or not (span is None or lies_within(span, self._present.stamp)):
            return found
        if self._present_encoded is None:
            features = self.model.encode(self._present.pictures)
            (self._present_encoded,) = self.encoded(features, [self._present])
        return {**found, seen: self._present_encoded}

    def stamp_of(self, number: int) -> FrameStamp | None:
        """The stamp of a frame that a branch can see; None if it is not known."""
        if self._present is not None and number == self.cache.coverage().frames_seen:
            return self._present.stamp
        return self.cache.stamp_of(number)

    def mark_lost(self, since_ms: int) -> None:
        """See `FrameTable.mark_lost`. Before the first frame is taken."""
        self.cache.mark_lost(since_ms)

    def coverage(self) -> Coverage:
        """What the memory can know about."""
        return self.cache.coverage()

    def branch(self, room: int, span: Span | None = None) -> Branch:
        """A branch for one question and its answer of at most `room` tokens. Close it after use.

        It begins with the newest frames in full, if memory holds only what changed in
        them, and with pictures that wait for the others of their frame: the first
        row's inputs are those that `Branch.opened_by` returns. `span`: it sees what is within
        it alone; raises `InvalidInput` if nothing is held of it.
        """
        present, shown = self._present, self._present_frames(span)
        waiting = None if present is None else Waiting(present.stamp, self._after_gap)
        frames = [(frame.features, frame.layout) for frame in shown.values()]
        return self.cache.branch(room, frames, numbers=list(shown), span=span, waiting=waiting)

    def close(self) -> None:
        """End this memory. Its slab goes to the next one of the same pool."""
        self.cache.close()

    def state(self) -> MemoryState:
        """A copy of everything, on the host, for `restore`. Open answers are not disturbed.

        It includes pictures that wait for the others of their frame, in the model's size.
        """
        return self.capture().state()

    def capture(self, copier: Copier | None = None) -> Capture:
        """A copy in steps. Until the last one this memory may answer, but must not change."""
        beside = VideoState(
            self._pace.since,
            self._after_gap,
            self._start_ms,
            self._before_ms,
            tuple(self._unpaired),
            self._picture,
        )
        capture = self.cache.capture(copier, video=self._settings.header(beside))
        for name, tensor in self._settings.tensors(beside).items():
            capture.add(name, tensor)
        return capture

    def restore(self, state: MemoryState) -> None:
        """Become what `state` was taken of, on any device.

        Raises `SnapshotMismatch` if it was taken with another model, budget or
        policy, and `SnapshotCorrupt` if it is damaged; nothing has changed
        then.
        """
        tensors = dict(state.tensors)
        beside = self._settings.read(state.header, tensors, self._picture)
        self.cache.restore(MemoryState(state.header, tensors))
        self._pace.since, self._after_gap = beside.since_compression, beside.after_gap
        self._start_ms, self._before_ms = beside.start_ms, beside.before_ms
        self._unpaired, self._picture = list(beside.unpaired), beside.picture
        self.settle()

    @property
    def state_limit(self) -> int:
        """The most bytes of tensors that a state of this memory can have."""
        return self._settings.limit(self.cache) + self.picture_bytes

    @property
    def picture_bytes(self) -> int:
        """The most bytes on the device beside the cache: what is known of the present picture."""
        return 0 if self._picture is None else self._settings.picture_bytes
