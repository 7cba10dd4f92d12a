"""The model under measurement, its plain twin, and memories with frames in them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForImageTextToText

from benchmarks.blind import Blind
from hermes.demo import checkpoint
from hermes.engine import EngineConfig
from hermes.memory import FrameStamp, MemoryConfig, MemoryState, SlabPool, device_of
from hermes.vlm import Arrival, VideoMemory, VideoModel, load, take_together
from hermes.vlm.shapes import config_of, random_model

DEMO = "demo"
EVERY = 16
"""Frames between two compressions."""

PHASES = (0, 4, 8, 12)
"""Frames since the last compression. Memories spread evenly over these compress in turn."""

_AT_ONCE = 32
_RESERVE = EngineConfig().max_question_tokens + EngineConfig().max_answer_tokens


@dataclass(frozen=True, slots=True)
class Subject:
    """A model on a device. `blind`: the same without its tower, to fill memories quickly."""

    name: str
    model: VideoModel
    blind: VideoModel
    budget: int
    layers: int | None
    slabs: SlabPool
    """Of all its memories: the next one takes what the last one gave back."""

    @property
    def device(self) -> torch.device:
        """Its device."""
        return self.model.shape.device

    @property
    def config(self) -> MemoryConfig:
        """The configuration of its memories."""
        return self._config(self.budget)

    def _config(self, budget: int) -> MemoryConfig:
        return MemoryConfig(
            budget=budget,
            headroom=EVERY * self.model.layout.tokens,
            position_limit=self.model.position_limit,
            position_reserve=_RESERVE,
        )

    def memory(self, policy: str = "hermes", budget: int | None = None) -> VideoMemory:
        """An empty memory, whose frames cost no tower."""
        config = self._config(budget or self.budget)
        return VideoMemory(
            self.blind, policy, config=config, compress_every_frames=EVERY, slabs=self.slabs
        )

    def restored(self, state: MemoryState) -> VideoMemory:
        """What `state` was taken of; its frames go through the whole model from now on."""
        whole = VideoMemory(
            self.model, config=self.config, compress_every_frames=EVERY, slabs=self.slabs
        )
        whole.restore(state)
        return whole

    def full_states(self) -> list[MemoryState]:
        """Full memories, as many frames after a compression as each of `PHASES`."""
        memory = self.memory()
        feed(memory, (self.budget // (EVERY * self.model.layout.tokens) + 1) * EVERY)
        states, done = [], 0
        for phase in PHASES:
            feed(memory, phase - done)
            done = phase
            states.append(memory.state())
        memory.close()
        return states

    @property
    def decoder_bytes(self) -> int:
        """Bytes of weights that one decoding step reads: all of the decoder, and the vocabulary's
        once.
        """
        language = self.model.language
        inner = sum(p.nbytes for n, p in language.named_parameters() if "embed_tokens" not in n)
        return int(inner + language.get_input_embeddings().weight.nbytes)

    def tidy(self) -> None:
        """Free what its memories gave back, and what the device keeps for later."""
        self.slabs.clear()
        device_of(self.device).free_unused()

    def flops_per_frame(self, state: MemoryState) -> int:
        """Multiplications and additions of one more frame, tower included."""
        whole = self.restored(state)
        with FlopCounterMode(display=False) as counter:
            feed(whole, 1)
        whole.close()
        return int(counter.get_total_flops())


def subject(name: str, device: str, dtype: torch.dtype, layers: int | None) -> Subject:
    """A shape with random weights; `DEMO` is that of the demo's model.

    Its memories hold 4,000 tokens, or 16 frames where a frame has few.
    """
    made: Any
    device_of(torch.device(device)).enter()
    if name == DEMO:
        with tempfile.TemporaryDirectory() as folder:
            built = checkpoint.build(Path(folder), layers=layers or 10)
            made = load(str(built), device=device, dtype=dtype)
    else:
        made = random_model(name, device=device, dtype=dtype, layers=layers)
    blind: Any = Blind(made)
    budget = min(4000, 16 * made.layout.tokens)
    return Subject(name, made, blind, budget, layers, SlabPool(made.shape))


class Plain:
    """The same model as transformers has it: frames are encoded anew for each question."""

    def __init__(self, of: Subject) -> None:
        dtype, device = of.model.shape.dtype, of.device
        if of.name == DEMO:
            with tempfile.TemporaryDirectory() as folder:
                path = checkpoint.build(Path(folder), layers=of.layers or 10)
                found: Any = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype)
            self._model: Any = found.to(device)
        else:
            with torch.device(device):
                config = config_of(of.name, of.layers)
                self._model = AutoModelForImageTextToText.from_config(config, dtype=dtype)
        self._model.eval().requires_grad_(False)
        self._of = of

    @property
    def can_answer(self) -> bool:
        """Whether `answer` knows how this family takes a video."""
        return bool(self._model.config.model_type == "llava_onevision")

    @torch.inference_mode()
    def answer(self, frames: int, question_tokens: int) -> None:
        """`generate` the first token about so many frames, ready as pixels on the device."""
        dtype, device = self._of.model.shape.dtype, self._of.device
        pixels = torch.zeros((1, frames, 3, *self._of.model.frame_size), dtype=dtype, device=device)
        video = [self._model.config.video_token_id] * (frames * self._of.model.layout.tokens + 1)
        ids = torch.tensor([[*video, *([10] * question_tokens)]], device=device)
        self._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values_videos=pixels,
            max_new_tokens=1,
            do_sample=False,
            pad_token_id=0,
        )


_clock = itertools.count(1)


def arrivals(memories: Iterable[VideoMemory]) -> list[Arrival]:
    """A grey picture for each memory."""
    found: list[Arrival] = []
    for memory in memories:
        picture = _picture(memory.model)
        found += [
            Arrival(memory, picture, FrameStamp(1000 * next(_clock)))
            for _ in range(memory.model.pictures_per_frame)
        ]
    return found


def _picture(model: VideoModel) -> Tensor:
    # The device, if it has one of its own, is not asked to wait for uploads here.
    return torch.full((3, *model.frame_size), 127, dtype=torch.uint8, device=model.shape.device)


def feed(memory: VideoMemory, frames: int) -> None:
    """Take in so many pictures. Raises the error of one that failed."""
    while frames > 0:
        count = min(frames, _AT_ONCE)
        for outcome in take_together(arrivals([memory] * count)):
            if isinstance(outcome, Exception):
                raise outcome
        frames -= count
