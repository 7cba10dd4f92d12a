"""LLaVA-OneVision (arXiv 2408.03326): SigLIP tower, projector, 2x2 pooling, Qwen2 decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hermes.errors import Unsupported
from hermes.memory import CacheShape, FrameLayout, Pass, Rotary
from hermes.question import Turn
from hermes.vlm.answer_text import AnswerText
from hermes.vlm.base import TextStream
from hermes.vlm.decoder import Decoder
from hermes.vlm.decoding import Decoding
from hermes.vlm.encoded import EncodedFrame, FrameTime
from hermes.vlm.forms import Forms
from hermes.vlm.preprocess import PixelSettings, listed, stacked, to_pixels
from hermes.vlm.prompt import PromptTemplate
from hermes.vlm.tower import Between, TowerLayers


class LlavaOnevision:
    """`hermes.vlm.base.VideoModel` over `LlavaOnevisionForConditionalGeneration`.

    The tower is run as it is. The decoder's weights are run by `Decoder`, which leaves
    keys unrotated: the memory rotates them to their positions when it reads them.
    """

    model_type = "llava_onevision"

    def __init__(self, model: Any, tokenizer: Any, folder: Path, name: str) -> None:
        self.name = name
        self._model = model
        self.tokenizer = tokenizer
        self.language = model.model.language_model
        self._tower_layers = TowerLayers(model.model.vision_tower)
        self._tower_dtype: torch.dtype = next(model.model.vision_tower.parameters()).dtype
        config, text = model.config, model.config.text_config
        if getattr(text, "use_sliding_window", False):
            raise Unsupported(f"{name}: sliding-window attention layers are not supported")
        self.decoder = Decoder(self.language, name)
        self.pixels = PixelSettings.from_checkpoint(folder)
        side = config.vision_config.image_size
        if (self.pixels.height, self.pixels.width) != (side, side):
            raise Unsupported(
                f"{name}: frames of {self.pixels.width}x{self.pixels.height} do not fit a tower"
                f" of {side}x{side}"
            )
        video_token = tokenizer.convert_ids_to_tokens(config.video_token_id)
        self.template = PromptTemplate.from_checkpoint(folder, tokenizer, video_token)
        self.text_template = PromptTemplate.without_video(folder, tokenizer)
        head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self.shape = CacheShape(
            layers=text.num_hidden_layers,
            kv_heads=text.num_key_value_heads,
            head_dim=head_dim,
            axes=1,
            dtype=self.language.dtype,
            device=self.language.device,
            key_bias=self.decoder.key_bias(text.num_key_value_heads),
        )
        embedding = self.language.rotary_emb
        self.rotary = Rotary(
            frequencies=torch.cat((embedding.inv_freq, embedding.inv_freq)).to(
                self.shape.device, torch.float32
            ),
            axis=torch.zeros(head_dim, dtype=torch.int64, device=self.shape.device),
            scaling=float(embedding.attention_scaling),
        )
        self._check_identity()
        self.position_limit = int(text.max_position_embeddings)
        patches = side // config.vision_config.patch_size
        pooled = (patches + 1) // 2  # apply_pooling rounds up
        self.layout = FrameLayout.sequential(pooled**2, self.shape.device)
        self.pictures_per_frame = 1
        self.frame_size = (side, side)
        self.most_frame_tokens = self.layout.tokens
        self.levels = 1
        self.decoding = Decoding.of(model, name)
        self.forms = Forms(tokenizer, self.decoding)

    def _check_identity(self) -> None:
        """Raises `Unsupported` if the RoPE is not the identity at position 0."""
        probe = torch.zeros((1, 1), dtype=torch.int64, device=self.shape.device)
        wide = torch.zeros((1, 1, self.shape.head_dim), device=self.shape.device)
        cos, sin = self.language.rotary_emb(wide, probe)
        if not (torch.all(cos == 1) and torch.all(sin == 0)):
            raise Unsupported(f"{self.name}: its RoPE scales keys at position 0")

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """The one size that the tower takes."""
        return self.frame_size

    def layout_of(self, size: tuple[int, int]) -> FrameLayout:
        """The one layout that frames have."""
        return self.layout

    def frame_tokens(self, size: tuple[int, int]) -> int:
        """The one number of tokens that frames have."""
        return self.layout.tokens

    def timed(self, frame: EncodedFrame, time: FrameTime) -> EncodedFrame:
        """The same: this model is not told about time."""
        return frame

    def prefix(self) -> Tensor:
        """Embeddings [n, hidden] of the chat template up to the video."""
        return self.embed(self.template.prefix_ids(self.tokenizer))

    @torch.inference_mode()
    def encode(
        self, pictures: Sequence[Tensor] | Tensor, between: Between | None = None
    ) -> list[Tensor]:
        """n pictures [3, h, w] uint8 -> n frames' [tokens, hidden]."""
        pictures = listed(pictures, self.pictures_per_frame)
        there = [picture.to(self.shape.device, non_blocking=True) for picture in pictures]
        pixels = to_pixels(stacked(there, self.frame_size), self.pixels, self._tower_dtype)
        with self._tower_layers.calling(between):
            found: Any = self._model.model.get_video_features(pixels.unsqueeze(0), return_dict=True)
        # An image_newline follows the last frame of a video, here or (in older
        # transformers) in the model's forward. A stream has no last frame: the
        # newline begins each question instead.
        features = found.pooler_output[0, : len(pictures) * self.layout.tokens]
        tokens: Tensor = features.reshape(len(pictures), self.layout.tokens, -1)
        return list(tokens.to(self.shape.dtype))

    @torch.inference_mode()
    def question(self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True) -> Tensor:
        """Embeddings [n, hidden]: the video's closing newline, the question, the answer's cue."""
        ids = self.template.question_ids(self.tokenizer, text, turns, reasoning=reasoning)
        newline = self._model.model.image_newline.to(self.shape.dtype).unsqueeze(0)
        return torch.cat((newline, self.embed(ids)))

    def prompt_ids(
        self, text: str, turns: Sequence[Turn] = (), *, reasoning: bool = True
    ) -> list[int]:
        """Token ids of all that precedes the answer to this question, the video as one."""
        video_id: int = self._model.config.video_token_id
        return self.template.prompt_ids(self.tokenizer, text, video_id, turns, reasoning=reasoning)

    @torch.inference_mode()
    def embed(self, token_ids: list[int]) -> Tensor:
        """Embeddings [n, hidden] of token ids."""
        ids = torch.tensor(token_ids, dtype=torch.int64)
        ids = ids.to(self.shape.device, non_blocking=True)  # nothing waits for earlier passes
        embedded: Tensor = self.language.get_input_embeddings()(ids)
        return embedded

    @torch.inference_mode()
    def forward(self, inputs: Tensor, packed: Pass) -> Tensor:
        """Run the language model over packed rows: [n, hidden] in, last hidden states out."""
        return self.decoder.forward(inputs, packed)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """[n, hidden] -> [n, vocabulary]."""
        scores: Tensor = self._model.lm_head(hidden)
        return scores

    def text_stream(self, *, reasoning: bool = True) -> TextStream:
        """A new stream of text for one answer."""
        return AnswerText(self.tokenizer, reasoning and self.template.thinking)
