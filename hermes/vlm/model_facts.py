"""What a model is and takes, from its small files alone: no weight is read or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hermes.errors import HermesError, InvalidInput
from hermes.memory import CacheShape
from hermes.vlm import multimodal_rope
from hermes.vlm.frame_sizes import FrameSizes
from hermes.vlm.llava_onevision import LlavaOnevision
from hermes.vlm.loading import Family, check_options, family_of
from hermes.vlm.model_folder import ModelFolder
from hermes.vlm.preprocess import PatchSettings, PixelSettings
from hermes.vlm.prompt import PromptTemplate
from hermes.vlm.qwen2_5_vl import Qwen25VL
from hermes.vlm.qwen3_vl import LATEST_S, time_ids
from hermes.vlm.weights import (
    check_adapter,
    check_quantiser,
    quantization,
    read_config,
    read_tokenizer,
)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about a model on a GPU, in bfloat16 unless its weights are quantised.

    `weight_bytes`: of its weights there; where that is not known, a byte for each.
    `frame_size`: height and width in pixels of the frame that was asked about.
    `frame_tokens`: its tokens. `most_frame_tokens`: those of the largest frame, for
    which a memory has room. `pictures_per_frame`: how many share the tokens of one
    frame.
    `problems`: why it cannot be loaded as it is here; empty if nothing is known.
    """

    family: str
    parameters: int
    weight_bytes: int
    quantisation: str | None
    adapter: bool
    thinking: bool
    shape: CacheShape
    position_limit: int
    prefix_tokens: int
    frame_size: tuple[int, int]
    frame_tokens: int
    most_frame_tokens: int
    pictures_per_frame: int
    problems: tuple[str, ...]

    @classmethod
    def of(
        cls,
        folder: ModelFolder,
        frame_size: tuple[int, int] | None = None,
        *,
        frame_tokens: int | None = None,
        picture: tuple[int, int] | None = None,
    ) -> ModelFacts:
        """From a folder, which may lack its weights.

        `frame_size`, `frame_tokens`: as in `hermes.vlm.load`. `picture`: height and
        width of a camera's pictures; by default they are of 16:9, and not small.
        Raises `InvalidInput` or `Unsupported` where not even that can be told.
        """
        family = family_of(folder)
        folder.check_settings()
        config = read_config(folder)
        text = config.get_text_config()
        chosen = {"frame_size": frame_size, "frame_tokens": frame_tokens}
        check_options(family, [name for name, value in chosen.items() if value is not None])
        frame = _frame(family, config, folder.path, frame_size, frame_tokens, picture)
        problems: list[str] = []
        with _noting(problems):
            check_adapter(folder)
        with _noting(problems):
            check_quantiser(folder, config)
        if folder.fetched:
            with _noting(problems):
                folder.check_weights()
        template = method = None
        text_tokens = 0
        with _noting(problems):
            template = _template(family, config, folder)
            text_tokens = template[2]
        with suppress(HermesError):  # noted above
            method = quantization(config)
        parameters = _parameters(config)
        head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        return cls(
            family=family.model_type,
            parameters=parameters,
            weight_bytes=(folder.stored_bytes() or parameters) if method else 2 * parameters,
            quantisation=method,
            adapter=folder.adapter is not None,
            thinking=template is not None and template[0].thinking,
            shape=CacheShape(
                layers=text.num_hidden_layers,
                kv_heads=text.num_key_value_heads,
                head_dim=head_dim,
                axes=1 if family is LlavaOnevision else multimodal_rope.AXES,
                dtype=torch.bfloat16,
                device=torch.device("cuda"),
            ),
            position_limit=int(text.max_position_embeddings),
            prefix_tokens=0 if template is None else template[1],
            frame_size=frame.size,
            frame_tokens=frame.tokens + text_tokens,
            most_frame_tokens=frame.most_tokens + text_tokens,
            pictures_per_frame=frame.pictures,
            problems=tuple(problems),
        )


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except HermesError as error:
        problems.append(str(error))


class _Frame(NamedTuple):
    """`tokens`: of a picture of `size`, and `most_tokens` of the largest; with marks, without time.

    `pictures`: how many share them.
    """

    size: tuple[int, int]
    tokens: int
    most_tokens: int
    pictures: int


def _frame(
    family: Family,
    config: Any,
    folder: Path,
    frame_size: tuple[int, int] | None,
    frame_tokens: int | None,
    picture: tuple[int, int] | None,
) -> _Frame:
    if family is LlavaOnevision:
        pixels = PixelSettings.from_checkpoint(folder)
        pooled = (pixels.height // config.vision_config.patch_size + 1) // 2
        return _Frame((pixels.height, pixels.width), pooled**2, pooled**2, 1)
    patches = PatchSettings.from_checkpoint(folder)
    sizes = FrameSizes(patches, frame_size, frame_tokens)
    PixelSettings.from_checkpoint(folder, sizes.largest)  # refused here if it would be there
    size = sizes.largest if picture is None else sizes.fitted(picture)
    marks = 0 if family is Qwen25VL else 2  # their times are counted with the template
    most = sizes.most_tokens + marks
    return _Frame(size, sizes.tokens(size) + marks, most, patches.pictures)


def _template(family: Family, config: Any, folder: ModelFolder) -> tuple[PromptTemplate, int, int]:
    """The chat template, how many tokens come before the video, and of a frame's time."""
    tokenizer = read_tokenizer(folder)
    video = str(tokenizer.convert_ids_to_tokens(config.video_token_id))
    template = PromptTemplate.from_checkpoint(folder.path, tokenizer, video)
    timed = family not in (LlavaOnevision, Qwen25VL)
    time = len(time_ids(tokenizer, LATEST_S)) if timed else 0
    return template, len(template.prefix_ids(tokenizer)), time


def _parameters(config: Any) -> int:
    from transformers import AutoModelForImageTextToText

    try:
        plain = type(config).from_dict(config.to_dict())
        with torch.device("meta"):
            model: Any = AutoModelForImageTextToText.from_config(plain)
    except Exception as error:  # what a model raises depends on what it cannot be built of
        raise InvalidInput("model", f"config.json is not valid: {error}") from error
    return sum(parameter.numel() for parameter in model.parameters())
