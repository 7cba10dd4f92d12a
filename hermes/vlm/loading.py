"""From a checkpoint's name or folder to a model that the engine can use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from hermes.errors import InvalidInput, Unsupported
from hermes.vlm.base import VideoModel
from hermes.vlm.llava_onevision import LlavaOnevision

log = logging.getLogger(__name__)

FAMILIES = {LlavaOnevision.model_type: LlavaOnevision}
"""Model families by the `model_type` of their configuration."""

_FILES = ["*.json", "*.jinja", "*.safetensors", "*.txt", "*.model"]


def load(
    checkpoint: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
) -> VideoModel:
    """Load a Hugging Face checkpoint: a folder, or a name on the hub.

    `dtype` defaults to bfloat16 on a GPU and to float32 elsewhere. Raises
    `Unsupported` for a family that is not known, and `InvalidInput` for a
    checkpoint that cannot be found.
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
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
    model.to(device).eval()
    model.requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return family(model, tokenizer, folder, Path(checkpoint).name)


def _folder_of(checkpoint: str) -> Path:
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
