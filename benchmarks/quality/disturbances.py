"""What lies between a scene and the pictures of it: noise, weather, a loose mount, an encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.quality.filmed import filmed

Disturbance = Callable[[Tensor, torch.Generator], Tensor]
"""Pictures [n, 3, side, side] uint8 of a stream -> the same, as a camera delivers them."""

SPECKS = 24
FLICKER = 0.05
DUSK = 0.6
SHAKE = 1


def _noise(sigma: float, pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Gaussian noise of `sigma` levels, fresh in every pixel of every picture."""
    return _levels(pictures + sigma * torch.randn(pictures.shape, generator=rng))


def _shake(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """The camera moves by up to a pixel in each direction."""
    side = pictures.shape[-1]
    wide = functional.pad(pictures.to(torch.float32), (SHAKE,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * SHAKE + 1, (len(pictures), 2), generator=rng).tolist()
    return _levels(
        torch.stack(
            [
                picture[:, top : top + side, left : left + side]
                for picture, (top, left) in zip(wide, offsets, strict=True)
            ]
        )
    )


def _flicker(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """The light of a lamp varies from picture to picture."""
    gain = 1 + FLICKER * (2 * torch.rand((len(pictures), 1, 1, 1), generator=rng) - 1)
    return _levels(pictures * gain)


def _specks(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Bright specks of 2 x 2 pixels that fall, as rain or snow does."""
    side, found = pictures.shape[-1], pictures.clone()
    start = torch.randint(0, side, (SPECKS, 2), generator=rng)
    speed = torch.randint(3, 12, (SPECKS,), generator=rng)
    for number, picture in enumerate(found):
        tops = ((start[:, 0] + speed * number) % (side - 1)).tolist()
        lefts = ((start[:, 1] + 5 * number) % (side - 1)).tolist()
        for top, left in zip(tops, lefts, strict=True):
            picture[:, top : top + 2, left : left + 2] = 220
    return found


def _dusk(pictures: Tensor, _: torch.Generator) -> Tensor:
    """The light falls slowly, to `DUSK` of what it was at the end."""
    gain = torch.linspace(1, DUSK, len(pictures)).view(-1, 1, 1, 1)
    return _levels(pictures * gain)


def _encoded(quality: int, pictures: Tensor, _: torch.Generator) -> Tensor:
    """Through H.264 at a constant rate factor, in 224 x 224 pixels."""
    side = pictures.shape[-1]
    large = functional.interpolate(pictures.to(torch.float32), size=(224, 224), mode="bicubic")
    worn = filmed(list(_levels(large).permute(0, 2, 3, 1).numpy()), side, quality)
    return torch.stack([torch.from_numpy(picture.copy()) for picture in worn]).permute(0, 3, 1, 2)


def _levels(pictures: Tensor) -> Tensor:
    return pictures.round().clamp(0, 255).to(torch.uint8)


DISTURBANCES: dict[str, Disturbance] = {
    "none": lambda pictures, _: pictures,
    **{f"noise {sigma}": partial(_noise, float(sigma)) for sigma in (2, 5, 10, 20, 40)},
    "shake": _shake,
    "flicker": _flicker,
    "specks": _specks,
    "dusk": _dusk,
    **{f"H.264 {quality}": partial(_encoded, quality) for quality in (24, 36, 44)},
}
"""Every disturbance by name. `H.264 36`: a constant rate factor, some 30 kbit/s at this size."""


def disturbed(name: str, pictures: Tensor, seed: int) -> Tensor:
    """The pictures [n, 3, side, side] uint8 with a disturbance of `DISTURBANCES`."""
    return DISTURBANCES[name](pictures, torch.Generator().manual_seed(seed))
