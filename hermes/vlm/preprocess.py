"""Pictures to pixels, by a checkpoint's own preprocessor settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput, Unsupported
from hermes.vlm.model_folder import read_json

_DEFAULT_GRID = (9, 16)  # tokens of a frame where a tower takes frames of many sizes
_MOST_NARROW = 200  # times that one side may be the other, as transformers has it
_BICUBIC = 3  # as the settings call the one way of resizing that all families use
_DEFAULT_RATE = 2.0  # pictures a second, as the stock video processors have it


@dataclass(frozen=True, slots=True)
class PatchSettings:
    """How a tower that takes frames of many sizes cuts them into patches.

    `side`: of a patch, in pixels. `merge`: patches along a side that become
    one token. `pictures`: how many become one frame. `min_pixels`,
    `max_pixels`: area of a frame. `frames_per_second`: pictures, as the
    checkpoint's video processor samples them.
    """

    side: int
    merge: int
    pictures: int
    min_pixels: int
    max_pixels: int
    frames_per_second: float

    @classmethod
    def from_checkpoint(cls, folder: Path) -> PatchSettings:
        """From the checkpoint's own settings. No defaults but the frame rate."""
        found, path = _settings(folder)
        return cls.from_json(found, path)

    @classmethod
    def from_json(cls, found: dict[str, Any], path: Path) -> PatchSettings:
        """From the JSON object `found` in the file at `path`."""
        try:
            size = found.get("size") or {}
            limits = [
                size[edge] if edge in size else found[name]
                for edge, name in (("shortest_edge", "min_pixels"), ("longest_edge", "max_pixels"))
            ]
            settings = cls(
                side=int(found["patch_size"]),
                merge=int(found["merge_size"]),
                pictures=int(found["temporal_patch_size"]),
                min_pixels=int(limits[0]),
                max_pixels=int(limits[1]),
                frames_per_second=float(found.get("fps") or _DEFAULT_RATE),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Unsupported(f"{path} does not say {error} as this model family does") from None
        if min(settings.side, settings.merge, settings.pictures, settings.max_pixels) < 1:
            raise Unsupported(f"{path} does not say how frames are cut into patches")
        return settings

    @property
    def unit(self) -> int:
        """The side of one token's part of a frame, in pixels."""
        return self.side * self.merge

    def default_size(self, tokens: int | None = None) -> tuple[int, int]:
        """Height and width of 16:9 frames of about 144 tokens, or as close as the limits allow.

        `tokens`: the most that a frame may have, in place of 144.
        """
        rows, columns = _DEFAULT_GRID
        area = rows * columns * self.unit**2
        wanted = area if tokens is None else tokens * self.unit**2
        factor = math.sqrt(max(self.min_pixels, min(wanted, self.max_pixels)) / area)
        grown = math.ceil(rows * factor), math.ceil(columns * factor)
        if factor > 1 and tokens is None and math.prod(grown) * self.unit**2 <= self.max_pixels:
            rows, columns = grown
        else:
            rows, columns = math.floor(rows * factor), math.floor(columns * factor)
        return max(1, rows) * self.unit, max(1, columns) * self.unit

    def fitted(self, size: tuple[int, int], tokens: int) -> tuple[int, int]:
        """The height and width that a picture is resized to: in proportion, whole tokens.

        As `smart_resize` of transformers, with a bound of `tokens` and never under
        the least that fits in it. A picture of a size that comes out keeps it.
        Raises `InvalidInput` for a picture that is too narrow.
        """
        height, width = size
        if max(size) > _MOST_NARROW * min(size):
            raise InvalidInput(
                "frames", f"{width}x{height}: one side is more than {_MOST_NARROW} times the other"
            )
        unit = self.unit
        most = min(self.max_pixels, tokens * unit**2)
        bound = max(1, most // unit**2)
        rows, columns = round(height / unit), round(width / unit)
        area = rows * columns * unit**2
        if area > most:
            shrink = math.sqrt(height * width / most)
            rows = max(1, math.floor(height / shrink / unit))
            columns = max(1, math.floor(width / shrink / unit))
            # Rounding down can end under the least: it is then a small picture like any other.
            height, width = rows * unit, columns * unit
            area = height * width
        if area < min(self.min_pixels, most) and not self._largest((height, width), bound):
            grow = math.sqrt(self.min_pixels / (height * width))
            rows, columns = math.ceil(height * grow / unit), math.ceil(width * grow / unit)
        rows, columns = max(1, rows), max(1, columns)
        # Where one side has a single token, or the limits are near each other, it can be too many.
        if rows <= columns:
            rows = min(rows, bound)
            columns = min(columns, bound // rows)
        else:
            columns = min(columns, bound)
            rows = min(rows, bound // columns)
        return rows * unit, columns * unit

    def _largest(self, size: tuple[int, int], tokens: int) -> bool:
        """Whether a picture of whole tokens cannot have more on both sides, within `tokens`."""
        rows, columns = size[0] // self.unit, size[1] // self.unit
        whole = size == (rows * self.unit, columns * self.unit)
        return whole and (rows + 1) * (columns + 1) > tokens

    def check_size(self, size: tuple[int, int]) -> None:
        """Raises `InvalidInput` if frames of this height and width cannot be cut into patches."""
        height, width = size
        if min(size) < self.unit or height % self.unit or width % self.unit:
            raise InvalidInput(
                "frame_size", f"{width}x{height}: sides must be multiples of {self.unit}"
            )
        if not self.min_pixels <= height * width <= self.max_pixels:
            raise InvalidInput(
                "frame_size",
                f"{width}x{height}: {height * width} pixels; the checkpoint takes"
                f" {self.min_pixels} to {self.max_pixels}",
            )


@dataclass(frozen=True, slots=True)
class PixelSettings:
    """Frame size in pixels, and how grey levels are normalised."""

    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scale: float = 1 / 255

    @classmethod
    def from_checkpoint(
        cls, folder: Path, frame_size: tuple[int, int] | None = None
    ) -> PixelSettings:
        """From the checkpoint's own settings. No defaults.

        `frame_size`: height and width, for a tower that takes frames of many
        sizes; `PatchSettings.default_size` if it is not given.
        """
        found, path = _settings(folder)
        try:
            size, mean, std = found.get("size"), found["image_mean"], found["image_std"]
            if isinstance(size, dict) and "height" in size:
                height, width = int(size["height"]), int(size["width"])
                if frame_size not in (None, (height, width)):
                    raise InvalidInput("frame_size", f"{frame_size}: it takes {height}x{width}")
            elif "merge_size" in found:
                height, width = frame_size or PatchSettings.from_json(found, path).default_size()
            else:
                raise KeyError("size")
            if not found.get("do_normalize", True):
                mean, std = (0, 0, 0), (1, 1, 1)
            scale = found.get("rescale_factor", 1 / 255) if found.get("do_rescale", True) else 1
            made = cls(
                height=height,
                width=width,
                mean=(float(mean[0]), float(mean[1]), float(mean[2])),
                std=(float(std[0]), float(std[1]), float(std[2])),
                scale=float(scale),
            )
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise Unsupported(f"{path} does not say {error} as this model family does") from None
        if not all(map(math.isfinite, (*made.mean, *made.std, made.scale))) or 0 in made.std:
            raise Unsupported(f"{path} does not say how grey levels are normalised")
        if not found.get("do_resize", True) or found.get("resample", _BICUBIC) != _BICUBIC:
            raise Unsupported(f"{path} wants pictures resized in another way than bicubic")
        return made


def _settings(folder: Path) -> tuple[dict[str, Any], Path]:
    """The checkpoint's settings for video, or else for pictures, and the file that has them.

    Where several files have them, the one that transformers would read counts.
    """
    for name, section in (
        ("processor_config.json", "video_processor"),
        ("video_preprocessor_config.json", None),
        ("preprocessor_config.json", None),
        ("processor_config.json", "image_processor"),
    ):
        path = folder / name
        if path.is_file():
            whole = read_json(path)
            found = whole if section is None else whole.get(section)
            if isinstance(found, dict):
                return found, path
    raise Unsupported(f"{folder} has no preprocessor_config.json: not a complete checkpoint")


def check_pictures(pictures: Tensor) -> None:
    """Raises `InvalidInput` unless `pictures` is [n, 3, height, width] uint8 with n > 0."""
    if pictures.dtype != torch.uint8:
        raise InvalidInput("frames", f"must be uint8 grey levels, not {pictures.dtype}")
    if pictures.ndim != 4 or pictures.shape[1] != 3 or 0 in pictures.shape:
        raise InvalidInput(
            "frames", f"must be [n, 3, height, width] with n > 0, not {list(pictures.shape)}"
        )


def listed(pictures: Sequence[Tensor] | Tensor, together: int) -> list[Tensor]:
    """The pictures [3, h, w] as a list.

    Raises `InvalidInput` unless they are pictures, and a whole number of frames
    of `together` pictures each.
    """
    if isinstance(pictures, Tensor):
        check_pictures(pictures)
    found = list(pictures)
    if not found:
        raise InvalidInput("frames", "there are none")
    for picture in found:
        check_pictures(picture.unsqueeze(0))
    if len(found) % together:
        raise InvalidInput("frames", f"{len(found)} pictures: {together} make a frame")
    return found


def page_locked(size: Sequence[int]) -> Tensor:
    """Room for grey levels in host memory that a GPU reads by itself."""
    return torch.empty(tuple(size), dtype=torch.uint8, pin_memory=True)


def stacked(
    pictures: Sequence[Tensor],
    size: tuple[int, int],
    locked: Callable[[Sequence[int]], Tensor] = page_locked,
) -> Tensor:
    """Pictures [3, h, w] uint8 of any size -> [n, 3, *size] uint8.

    Pictures that are page-locked stay so: a GPU then need not wait for a copy by the host.
    `locked`: makes room for several of them.
    """
    if len(pictures) == 1:
        return fit(pictures[0].unsqueeze(0), size)
    if len({picture.shape for picture in pictures}) == 1:
        if not all(picture.is_pinned() for picture in pictures):
            return fit(torch.stack(list(pictures)), size)
        room = locked((len(pictures), *pictures[0].shape))
        return fit(torch.stack(list(pictures), out=room), size)
    return torch.cat([fit(picture.unsqueeze(0), size) for picture in pictures])


def fit(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, 3, h, w] uint8 of any size -> [n, 3, *size] uint8. Unchanged if it has that size.

    Resizing happens on grey levels (rounded to uint8), as the stock processors
    do it: on floats it would be off by up to one level.
    """
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    return functional.interpolate(pictures, size=size, mode="bicubic", antialias=True)


def to_pixels(
    pictures: Tensor,
    settings: PixelSettings,
    dtype: torch.dtype,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """[n, 3, h, w] uint8 of any size -> [n, 3, *size] normalised, in `dtype`.

    `size`: height and width; by default those of `settings`.
    """
    check_pictures(pictures)
    pictures = fit(pictures, (settings.height, settings.width) if size is None else size)
    both = torch.tensor([settings.mean, settings.std]).view(2, 1, 3, 1, 1)
    mean, std = both.to(pictures.device, non_blocking=True)
    normalised: Tensor = (pictures.to(torch.float32) * settings.scale - mean) / std
    return normalised.to(dtype)


def patchify(pixels: Tensor, patches: PatchSettings) -> Tensor:
    """[n * pictures, 3, height, width] -> [n * patches of a frame, numbers of a patch].

    Patches of one token are next to each other; the numbers of a patch are
    ordered by channel, picture, row, column.
    """
    _, channels, height, width = pixels.shape
    rows, columns = height // patches.unit, width // patches.unit
    side, merge, pictures = patches.side, patches.merge, patches.pictures
    cut = pixels.reshape(-1, pictures, channels, rows, merge, side, columns, merge, side)
    ordered = cut.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return ordered.reshape(-1, channels * pictures * side * side)
