"""What the engine needs from a video language model of any family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from hermes.memory import CacheShape, FrameLayout, Pass, Rotary
from hermes.question import Turn
from hermes.vlm.decoder import Decoder
from hermes.vlm.decoding import Decoding
from hermes.vlm.encoded import EncodedFrame, FrameTime
from hermes.vlm.forms import Forms
from hermes.vlm.prompt import PromptTemplate
from hermes.vlm.tower import Between


class TextStream(Protocol):
    """Decodes token ids into text one by one."""

    def push(self, token_id: int) -> str:
        """The text that this token completes; empty while a character is unfinished, and in
        reasoning, which is no part of the answer.
        """
        ...

    @property
    def reasoning(self) -> str:
        """The text of the reasoning so far."""
        ...

    @property
    def reasoning_tokens(self) -> int:
        """How many tokens the reasoning has so far."""
        ...


class VideoModel(Protocol):
    """One copy of a model's weights. All calls come from the device's thread.

    `width` below is the hidden size, or more in a family that gives some layers
    further features of a token besides its embedding. Rows of all kinds have
    the same width, so that they can be packed into one pass.
    """

    @property
    def name(self) -> str:
        """The model's name in answers and metrics."""
        ...

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer, a fast one of transformers."""
        ...

    @property
    def language(self) -> Any:
        """Its language model, of transformers."""
        ...

    @property
    def decoder(self) -> Decoder:
        """The layers of its language model."""
        ...

    @property
    def shape(self) -> CacheShape:
        """The shape of its KV cache."""
        ...

    @property
    def rotary(self) -> Rotary:
        """Its rotary position embedding."""
        ...

    @property
    def position_limit(self) -> int:
        """One past the largest position that it was made for."""
        ...

    @property
    def layout(self) -> FrameLayout:
        """The tokens of a frame of `frame_size`, and their positions."""
        ...

    @property
    def levels(self) -> int:
        """How many vectors a token's features are: more than one where deeper layers get some."""
        ...

    @property
    def most_frame_tokens(self) -> int:
        """The most tokens that any frame has."""
        ...

    @property
    def pictures_per_frame(self) -> int:
        """Pictures that the vision tower merges into one frame of tokens."""
        ...

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width, in pixels, of the largest frames that its vision tower takes."""
        ...

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """The height and width that pictures of this height and width are resized to."""
        ...

    def layout_of(self, size: tuple[int, int]) -> FrameLayout:
        """The layout of a frame of pictures of this height and width, resized or not."""
        ...

    @property
    def decoding(self) -> Decoding:
        """How its answers are decoded."""
        ...

    def prefix(self) -> Tensor:
        """Inputs [n, width] of everything before the video."""
        ...

    def frame_tokens(self, size: tuple[int, int]) -> int:
        """The most tokens that a frame of pictures of this height and width has."""
        ...

    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """n * pictures_per_frame pictures [3, h, w] uint8 -> n frames' [tokens, width].

        Pictures of one frame have one size; frames may differ in it. Each frame's
        tokens are as in its `layout_of`. `between` is called between the tower's
        layers, and may run other passes.
        """
        ...

    def timed(self, frame: EncodedFrame, time: FrameTime) -> EncodedFrame:
        """The frame as the model knows it at this time: with text or positions that say it."""
        ...

    @property
    def forms(self) -> Forms:
        """What it makes of the forms of answers. Any thread may use it."""
        ...

    @property
    def template(self) -> PromptTemplate:
        """Its chat template."""
        ...

    @property
    def text_template(self) -> PromptTemplate | None:
        """The same for prompts of text alone; None if there is none."""
        ...

    def question(self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True) -> Tensor:
        """Inputs [n, width] of everything after the video: earlier turns, and this question.

        Without `reasoning`, a model that begins with it finds an empty one.
        """
        ...

    def prompt_ids(
        self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True
    ) -> list[int]:
        """Token ids of all that precedes the answer to this question, the video as one."""
        ...

    def embed(self, token_ids: list[int]) -> Tensor:
        """Inputs [n, width] of token ids."""
        ...

    def forward(self, inputs: Tensor, packed: Pass) -> Tensor:
        """Run the language model over [n, width], packed rows; last hidden states [n, hidden]."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """[n, hidden] -> [n, vocabulary]."""
        ...

    def text_stream(self, *, reasoning: bool = True) -> TextStream:
        """A new stream of text for one answer, to a question with or without `reasoning`."""
        ...
