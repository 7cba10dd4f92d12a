"""A model and one stream's memory together: feed frames, ask questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from hermes.errors import InvalidInput
from hermes.memory import (
    POLICIES,
    Branch,
    Compression,
    Coverage,
    FrameStamp,
    MemoryConfig,
    PackedPass,
    RetentionPolicy,
    Row,
    StreamMemory,
)
from hermes.vlm.base import VideoModel
from hermes.vlm.guidance import guidance_prompts
from hermes.vlm.preprocess import check_pictures

COMPRESS_EVERY_FRAMES = 16
POSITION_RESERVE = 1024


class VideoMemory:
    """What one camera's stream leaves in a model's KV cache, within a budget.

    `feed` takes frames in, `ask` answers from what is kept. Neither waits for
    the other: an answer under way sees the memory as it was when it began.
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
    ) -> None:
        """`budget`: video tokens per layer. `config` overrides it and all limits.

        `prompts`: embeddings of the guidance prompts, if they are at hand
        already (many memories of one model can share them).
        """
        if isinstance(policy, str):
            if policy not in POLICIES:
                raise InvalidInput("policy", f"is unknown; known: {', '.join(sorted(POLICIES))}")
            policy = POLICIES[policy]()
        if config is None:
            config = MemoryConfig(
                budget=budget,
                headroom=compress_every_frames * model.layout.tokens,
                position_limit=model.position_limit,
                position_reserve=min(POSITION_RESERVE, model.position_limit // 4),
            )
        self.model = model
        self.cache = StreamMemory(model.shape, model.rotary, config, policy)
        self._every = compress_every_frames
        self._since_compression = 0
        self._unpaired: list[Tensor] = []
        self._after_gap = False
        self._prompts = prompts
        if policy.guided and prompts is None:
            self._prompts = guidance_prompts(model)
        self._read_prefix()

    @torch.inference_mode()
    def _read_prefix(self) -> None:
        prefix = self.model.prefix()
        row = self.cache.begin_prefix(len(prefix))
        self.model.forward(prefix, PackedPass([row]))
        self.cache.commit(row)

    @torch.inference_mode()
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
        end = self.cache.coverage().end_ms
        first = 0 if end is None else end + 1000
        return [first + 1000 * (len(self._unpaired) + index) for index in range(count)]

    @torch.inference_mode()
    def take(
        self, picture: Tensor, stamp: FrameStamp, *, after_gap: bool = False
    ) -> Compression | None:
        """Take in one picture [3, height, width], and compress when it is time.

        Where the model merges pictures into one frame, a picture waits for the
        others of its frame. If anything fails the frame never was.
        """
        if after_gap:
            self._unpaired.clear()  # what lies on two sides of a gap is not merged
        self._unpaired.append(picture)
        self._after_gap = self._after_gap or after_gap
        if len(self._unpaired) < self.model.pictures_per_frame:
            return None
        merged, self._unpaired = self._unpaired, []
        after_gap, self._after_gap = self._after_gap, False
        return self._take(self.model.encode(torch.stack(merged))[0], stamp, after_gap)

    def _take(self, features: Tensor, stamp: FrameStamp, after_gap: bool) -> Compression | None:
        cache, layout = self.cache, self.model.layout
        row = cache.begin_frames([stamp], layout, after_gap=after_gap)
        try:
            due = (
                self._since_compression + 1 >= self._every
                or cache.room() < row.tokens + layout.tokens
            )
            inputs: list[Tensor] = [features]
            rows: list[Row] = [row]
            if due and self._prompts is not None and cache.over_budget_with > 0:
                inputs += self._prompts
                rows += cache.guide([len(prompt) for prompt in self._prompts])
            self.model.forward(torch.cat(inputs), PackedPass(rows))
            cache.commit(row)
        except BaseException:
            cache.abandon(row)
            raise
        if not due:
            self._since_compression += 1
            return None
        self._since_compression = 0
        return cache.compress()

    def coverage(self) -> Coverage:
        """What can be answered about."""
        return self.cache.coverage()

    def ask(self, question: str, max_tokens: int = 256) -> str:
        """The whole answer."""
        return "".join(self.answer(question, max_tokens))

    def answer(self, question: str, max_tokens: int = 256) -> Iterator[str]:
        """The answer, piece by piece, as it is written (greedy decoding)."""
        model, stream = self.model, self.model.text_stream()
        inputs = model.question(question)
        with self.cache.branch(len(inputs) + max_tokens) as branch:
            for _ in range(max_tokens):
                token = self._step(branch, inputs)
                if token in model.end_ids:
                    return
                if text := stream.push(token):
                    yield text
                inputs = model.embed([token])

    @torch.inference_mode()
    def _step(self, branch: Branch, inputs: Tensor) -> int:
        row = branch.row(len(inputs))
        hidden = self.model.forward(inputs, PackedPass([row]))
        branch.commit(row)
        return int(self.model.logits(hidden[-1]).argmax())
