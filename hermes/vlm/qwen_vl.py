"""What the Qwen-VL families have in common: a tower for frames of any size, multimodal RoPE."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import Unsupported
from hermes.memory import CacheShape, FrameLayout, Pass
from hermes.question import Turn
from hermes.vlm import multimodal_rope
from hermes.vlm.answer_text import AnswerText
from hermes.vlm.base import TextStream
from hermes.vlm.decoder import Decoder
from hermes.vlm.decoding import Decoding
from hermes.vlm.encoded import EncodedFrame, FrameTime
from hermes.vlm.forms import Forms
from hermes.vlm.frame_sizes import FrameSizes
from hermes.vlm.preprocess import (
    PatchSettings,
    PixelSettings,
    listed,
    patchify,
    stacked,
    to_pixels,
)
from hermes.vlm.prompt import PromptTemplate
from hermes.vlm.tower import Between, TowerLayers
from hermes.vlm.tower_grid import precomputed


class QwenVL(ABC):
    """`hermes.vlm.base.VideoModel` over a Qwen-VL model of transformers.

    The tower is run as it is. The decoder's weights are run by `Decoder`, which leaves
    keys unrotated: the memory rotates them to their positions when it reads them.

    Frames follow the shape of their pictures, in whole tokens, up to a number of
    tokens; or they all have one size.
    """

    levels = 1

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        folder: Path,
        name: str,
        *,
        frame_size: tuple[int, int] | None = None,
        frame_tokens: int | None = None,
    ) -> None:
        """`frame_size`: the one height and width of all frames, whatever the shape of the pictures.

        `frame_tokens`: the most tokens of a picture; by default some 144.
        """
        self.name = name
        self._model = model
        self._layouts: dict[tuple[int, int], FrameLayout] = {}
        self.tokenizer = tokenizer
        self.language = model.model.language_model
        self._tower_layers = TowerLayers(model.model.visual)
        config, text = model.config, model.config.text_config
        if getattr(text, "use_sliding_window", False):
            raise Unsupported(f"{name}: sliding-window attention layers are not supported")
        self.decoder = Decoder(self.language, name)
        self.patches = PatchSettings.from_checkpoint(folder)
        self._sizes = FrameSizes(self.patches, frame_size, frame_tokens)
        self.frame_size = self._sizes.largest
        self.pixels = PixelSettings.from_checkpoint(folder, self.frame_size)
        self.pictures_per_frame = self.patches.pictures
        vision = config.vision_config
        made_for = (vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size)
        if made_for != (self.patches.side, self.patches.merge, self.patches.pictures):
            raise Unsupported(f"{name}: its preprocessor's patches do not fit its tower's")
        self.template = PromptTemplate.from_checkpoint(
            folder, tokenizer, str(tokenizer.convert_ids_to_tokens(config.video_token_id))
        )
        self.text_template = PromptTemplate.without_video(folder, tokenizer)
        self._hidden = int(text.hidden_size)
        head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self.shape = CacheShape(
            layers=text.num_hidden_layers,
            kv_heads=text.num_key_value_heads,
            head_dim=head_dim,
            axes=multimodal_rope.AXES,
            dtype=self.language.dtype,
            device=self.language.device,
            key_bias=self.decoder.key_bias(text.num_key_value_heads),
        )
        self.rotary = multimodal_rope.probe(self.language.rotary_emb, self.shape.device, name)
        self.position_limit = int(text.max_position_embeddings)
        self.decoding = Decoding.of(model, name)
        self.forms = Forms(tokenizer, self.decoding)

    @property
    def most_frame_tokens(self) -> int:
        """The most tokens that any frame has."""
        return self._sizes.most_tokens + self._text_tokens

    @property
    def _text_tokens(self) -> int:
        """The most tokens of text that belong to a frame."""
        return 0

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """The height and width that pictures of this height and width are resized to."""
        return self._sizes.fitted(size)

    def layout_of(self, size: tuple[int, int]) -> FrameLayout:
        """The layout of a frame of pictures of this height and width."""
        size = self.fitted(size)
        if size not in self._layouts:
            self._layouts[size] = self._new_layout(
                size[0] // self.patches.unit, size[1] // self.patches.unit
            )
        return self._layouts[size]

    def frame_tokens(self, size: tuple[int, int]) -> int:
        """The most tokens that a frame of pictures of this height and width has."""
        return self._sizes.tokens(self.fitted(size)) + self._text_tokens

    @abstractmethod
    def timed(self, frame: EncodedFrame, time: FrameTime) -> EncodedFrame:
        """The frame as the model knows it at this time."""

    @property
    def layout(self) -> FrameLayout:
        """The layout of a frame of `frame_size`."""
        return self.layout_of(self.frame_size)

    @abstractmethod
    def _new_layout(self, rows: int, columns: int) -> FrameLayout:
        """The layout of a frame of so many rows and columns of tokens."""

    def prefix(self) -> Tensor:
        """Inputs [n, width] of the chat template up to the video."""
        return self.embed(self.template.prefix_ids(self.tokenizer))

    @torch.inference_mode()
    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """n * pictures_per_frame pictures [3, h, w] uint8 -> n frames' [tokens, width].

        Frames of one size are next to each other in the tower's one pass.
        """
        together = self.pictures_per_frame
        pictures = listed(pictures, together)
        sizes: dict[tuple[int, int], list[int]] = {}
        for frame in range(len(pictures) // together):
            height, width = pictures[frame * together].shape[-2:]
            sizes.setdefault(self.fitted((height, width)), []).append(frame)
        patches, grids = [], []
        for size, frames in sizes.items():
            own = [
                picture.to(self.shape.device, non_blocking=True)
                for frame in frames
                for picture in pictures[frame * together : (frame + 1) * together]
            ]
            pixels = to_pixels(stacked(own, size), self.pixels, torch.float32, size)
            patches.append(patchify(pixels, self.patches))
            grids.append([len(frames), *(side // self.patches.side for side in size)])
        grid, tower = torch.tensor(grids), self._model.model.visual
        with self._tower_layers.calling(between):
            found: Any = self._model.model.get_video_features(
                torch.cat(patches),
                grid,
                return_dict=True,
                **precomputed(tower, grid, self.shape.device),
            )
        tokens = self._tokens_of(found)
        counts = [self._sizes.tokens(size) for size, frames in sizes.items() for _ in frames]
        order = [frame for frames in sizes.values() for frame in frames]
        parts = dict(zip(order, tokens.split(counts), strict=True))
        return [self._framed(parts[frame]) for frame in range(len(order))]

    def _tokens_of(self, found: Any) -> Tensor:
        """The tower's output as [tokens of all frames, width]."""
        return torch.cat(tuple(found.pooler_output)).to(self.shape.dtype)

    def _framed(self, tokens: Tensor) -> Tensor:
        """A picture's tokens with the text that belongs to its frame."""
        return tokens

    def question(self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True) -> Tensor:
        """Inputs [n, width] of what closes the video, the question, and the answer's cue."""
        return self.embed(
            self.template.question_ids(self.tokenizer, text, turns, reasoning=reasoning)
        )

    def prompt_ids(
        self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True
    ) -> list[int]:
        """Token ids of all that precedes the answer to this question, the video as one."""
        video_id: int = self._model.config.video_token_id
        return self.template.prompt_ids(self.tokenizer, text, video_id, turns, reasoning=reasoning)

    @torch.inference_mode()
    def embed(self, token_ids: list[int]) -> Tensor:
        """Inputs [n, width] of token ids."""
        ids = torch.tensor(token_ids, dtype=torch.int64)
        ids = ids.to(self.shape.device, non_blocking=True)  # nothing waits for earlier passes
        embedded: Tensor = self.language.get_input_embeddings()(ids)
        return embedded

    @torch.inference_mode()
    def forward(self, inputs: Tensor, packed: Pass) -> Tensor:
        """Run the language model over packed rows: [n, width] in, last hidden states out."""
        return self.decoder.forward(inputs[:, : self._hidden], packed, self._levels(inputs))

    def _levels(self, inputs: Tensor) -> Sequence[Tensor]:
        """What is added to the outputs of the first layers, [n, hidden] each."""
        return ()

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """[n, hidden] -> [n, vocabulary]."""
        scores: Tensor = self._model.lm_head(hidden)
        return scores

    def text_stream(self, *, reasoning: bool = True) -> TextStream:
        """A new stream of text for one answer."""
        return AnswerText(self.tokenizer, reasoning and self.template.thinking)


def widened(tokens: Tensor, columns: int) -> Tensor:
    """[..., n] -> [..., n + columns], with zeros at the end."""
    return functional.pad(tokens, (0, columns)) if columns else tokens
