"""Loading: from a checkpoint's name or folder to a model that the engine can use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hermes.errors import InvalidInput, Unsupported
from hermes.memory import device_of
from hermes.memory.stored import KV_CACHE_DTYPES
from hermes.vlm.base import VideoModel
from hermes.vlm.llava_onevision import LlavaOnevision
from hermes.vlm.load_progress import Progress, default_progress
from hermes.vlm.model_folder import DEMO, ModelFolder
from hermes.vlm.qwen2_5_vl import Qwen25VL
from hermes.vlm.qwen3_vl import Qwen3VL, Qwen3VLMoe
from hermes.vlm.weights import read_config, read_model, read_tokenizer

Family = type[LlavaOnevision] | type[Qwen25VL] | type[Qwen3VL]

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (LlavaOnevision, Qwen25VL, Qwen3VL, Qwen3VLMoe)
}
"""Model families by the `model_type` of their configuration."""

_OPTIONS: dict[Family, frozenset[str]] = {
    LlavaOnevision: frozenset(),
    Qwen25VL: frozenset({"frame_size", "frame_tokens", "frames_per_second"}),
    Qwen3VL: frozenset({"frame_size", "frame_tokens"}),
    Qwen3VLMoe: frozenset({"frame_size", "frame_tokens"}),
}


def load(
    checkpoint: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    kv_cache_dtype: str = "auto",
    revision: str | None = None,
    frame_size: tuple[int, int] | None = None,
    frame_tokens: int | None = None,
    frames_per_second: float | None = None,
    progress: Progress | None = None,
) -> VideoModel:
    """Load a Hugging Face checkpoint: a folder, a name on the hub, or "demo".

    "demo" is the small model that comes with the package; a folder of that name
    is "./demo".

    `dtype` defaults to bfloat16 on a GPU and to float32 elsewhere. `kv_cache_dtype`: how memories
    store keys and values: in that type (`auto`), or in 8 bits (`fp8`, which is `fp8_e4m3`).
    `revision`: branch, tag or commit on the hub.
    `frame_tokens`: the most tokens of a picture, whose shape frames follow.
    `frame_size`: height and width in pixels of all frames, whatever the shape of
    the pictures. `frames_per_second`: the rate of pictures. Each only for families
    that let it be chosen. `progress`: called with each step of download and
    loading; by default bars show it in a terminal, and lines of the log elsewhere.
    Raises `Unsupported` for an unknown family, and
    `InvalidInput` for a checkpoint that cannot be found or an option that its
    family does not have.
    """
    if kv_cache_dtype not in KV_CACHE_DTYPES:
        raise InvalidInput("kv_cache_dtype", f"must be one of {', '.join(KV_CACHE_DTYPES)}")
    device = torch.device(device)
    if dtype is None:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    progress = progress or default_progress()
    folder = ModelFolder.find(str(checkpoint), revision, progress=progress)
    family = family_of(folder)
    folder.check_settings()
    chosen = {
        "frame_size": frame_size,
        "frame_tokens": frame_tokens,
        "frames_per_second": frames_per_second,
    }
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    check_options(family, options)
    device_of(device).enter()
    model = read_model(folder, read_config(folder), device, dtype, progress)
    name = DEMO if folder.is_demo else Path(checkpoint).name
    made = family(model, read_tokenizer(folder), folder.path, name, **options)
    made.shape = replace(made.shape, stored=KV_CACHE_DTYPES[kv_cache_dtype])
    return made


def check_options(family: Family, names: Iterable[str]) -> None:
    """Raises `InvalidInput` for an option of `load` that a family does not have."""
    for option in set(names) - _OPTIONS[family]:
        raise InvalidInput(option, f"cannot be chosen for {family.model_type}: leave it out")


def family_of(folder: ModelFolder) -> Family:
    """The family that a model is of. Raises `Unsupported` if it is not one of `FAMILIES`."""
    model_type = folder.model_type()
    family = FAMILIES.get(model_type)
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise Unsupported(f"model family {model_type!r} is not supported; known: {known}")
    return family
