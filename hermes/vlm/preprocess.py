"""Pictures to pixels, as a checkpoint's own preprocessor settings say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput, Unsupported


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """Frame size in pixels, and how grey levels become numbers."""

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scale: float = 1 / 255

    @classmethod
    def from_checkpoint(cls, folder: Path) -> PixelSettings:
        """From `video_preprocessor_config.json` or `preprocessor_config.json`. No defaults."""
        for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
            path = folder / name
            if path.is_file():
                return cls._from_json(json.loads(path.read_text()), path)
        raise Unsupported(f"{folder} has no preprocessor_config.json: not a complete checkpoint")

    @classmethod
    def _from_json(cls, found: dict[str, object], path: Path) -> PixelSettings:
        try:
            size = found["size"]
            mean, std = found["image_mean"], found["image_std"]
            if not (isinstance(size, dict) and isinstance(mean, list) and isinstance(std, list)):
                raise KeyError("size")
            return cls(
                height=int(size["height"]),
                width=int(size["width"]),
                mean=(float(mean[0]), float(mean[1]), float(mean[2])),
                std=(float(std[0]), float(std[1]), float(std[2])),
                scale=float(found.get("rescale_factor", 1 / 255)),  # type: ignore[arg-type]
            )
        except (KeyError, IndexError, TypeError) as error:
            raise Unsupported(f"{path} does not say {error} as this model family does") from None


def check_pictures(pictures: Tensor) -> None:
    """Raises `InvalidInput` unless `pictures` is [n, 3, height, width] uint8 with n > 0."""
    if pictures.dtype != torch.uint8:
        raise InvalidInput("frames", f"must be uint8 grey levels, not {pictures.dtype}")
    if pictures.ndim != 4 or pictures.shape[1] != 3 or 0 in pictures.shape:
        raise InvalidInput(
            "frames", f"must be [n, 3, height, width] with n > 0, not {list(pictures.shape)}"
        )


def to_pixels(pictures: Tensor, settings: PixelSettings, dtype: torch.dtype) -> Tensor:
    """[n, 3, h, w] uint8 of any size -> [n, 3, height, width] normalised, in `dtype`.

    Resizing happens on grey levels (rounded to uint8), as the stock processors
    do it: on floats it would be off by up to one level.
    """
    check_pictures(pictures)
    if pictures.shape[-2:] != (settings.height, settings.width):
        pictures = functional.interpolate(
            pictures, size=(settings.height, settings.width), mode="bicubic", antialias=True
        )
    mean = torch.tensor(settings.mean, device=pictures.device).view(1, 3, 1, 1)
    std = torch.tensor(settings.std, device=pictures.device).view(1, 3, 1, 1)
    return ((pictures.to(torch.float32) * settings.scale - mean) / std).to(dtype)
