"""Loading: from a checkpoint's name or folder to a model that the engine can use."""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from hermes.errors import InvalidInput, Unsupported
from hermes.vlm.base import VideoModel
from hermes.vlm.llava_onevision import LlavaOnevision
from hermes.vlm.qwen2_5_vl import Qwen25VL
from hermes.vlm.qwen3_vl import Qwen3VL

log = logging.getLogger(__name__)

Family = type[LlavaOnevision] | type[Qwen25VL] | type[Qwen3VL]

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (LlavaOnevision, Qwen25VL, Qwen3VL)
}
"""Model families by the `model_type` of their configuration."""

_OPTIONS: dict[Family, frozenset[str]] = {
    LlavaOnevision: frozenset(),
    Qwen25VL: frozenset({"frame_size", "frames_per_second"}),
    Qwen3VL: frozenset({"frame_size"}),
}

DEMO = "demo"
"""The name of the small model that comes with the package."""

_FILES = ["*.json", "*.jinja", "*.safetensors", "*.txt", "*.model"]


def load(
    checkpoint: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    frame_size: tuple[int, int] | None = None,
    frames_per_second: float | None = None,
) -> VideoModel:
    """Load a Hugging Face checkpoint: a folder, a name on the hub, or "demo".

    "demo" is the small model that comes with the package; a folder of that name
    is "./demo".

    `dtype` defaults to bfloat16 on a GPU and to float32 elsewhere.
    `frame_size`: height and width of frames in pixels.
    `frames_per_second`: the rate of pictures. Both only for families that let
    them be chosen. Raises `Unsupported` for an unknown family, and
    `InvalidInput` for a checkpoint that cannot be found or an option that its
    family does not have.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer

    device = torch.device(device)
    if dtype is None:
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    folder = _folder_of(str(checkpoint))
    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InvalidInput("model", f"{checkpoint!s} is no checkpoint: {error}") from error
    family = FAMILIES.get(config.model_type)
    if family is None:
        known = ", ".join(sorted(FAMILIES))
        raise Unsupported(f"model family {config.model_type!r} is not supported; known: {known}")
    chosen = {"frame_size": frame_size, "frames_per_second": frames_per_second}
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    for option in options.keys() - _OPTIONS[family]:
        raise InvalidInput(option, f"cannot be chosen for {config.model_type}: leave it out")
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
    model.to(device).eval()
    model.requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return family(model, tokenizer, folder, _name_of(checkpoint, folder), **options)


def _demo_folder() -> Path:
    """The demo model is data of the package; `hermes.demo`, which made it, is not needed."""
    return Path(str(resources.files("hermes"))) / "demo" / "weights"


def _name_of(checkpoint: str | Path, folder: Path) -> str:
    return DEMO if folder.resolve() == _demo_folder().resolve() else Path(checkpoint).name


def _folder_of(checkpoint: str) -> Path:
    if checkpoint == DEMO:
        return _demo_folder()
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") != 1:
        raise InvalidInput("model", f"{checkpoint!r} is neither a folder nor owner/name on a hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(checkpoint, allow_patterns=_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InvalidInput(
            "model", f"{checkpoint!r} could not be fetched ({type(error).__name__}): give a folder"
        ) from error
