"""The first stage: train the tower alone, to read objects, the sign and the light."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hermes.demo.checkpoint import SIDE
from hermes.demo.drawing import draw
from hermes.demo.scenes import COLOURS, SHAPES, SIGNS, TRAINED, make_scene
from hermes.demo.training.optimiser import MasterWeights
from hermes.demo.training.pace import Pace
from hermes.demo.training.precision import fast_dtype
from hermes.demo.training.settings import Settings
from hermes.demo.training.streams import Wear

CELLS = 4
"""Cells along a side: patches after pooling."""

_NOTHING = 0
_UNSURE = -100  # an object on its way in or out: whatever the model says is right


@dataclass(frozen=True, slots=True)
class Pictures:
    """`pixels` [n, 3, SIDE, SIDE] uint8 and the truth: `shape`, `colour` [n, CELLS, CELLS] (0 for
    nothing), `across` [n, CELLS, CELLS] in picture widths, `sign`, `night` [n].
    """

    pixels: Tensor
    shape: Tensor
    colour: Tensor
    across: Tensor
    sign: Tensor
    night: Tensor

    def to(self, device: torch.device) -> Pictures:
        """A copy on another device."""
        return Pictures(*(part.to(device) for part in self._parts()))

    def some(self, chosen: Tensor) -> Pictures:
        """The pictures with these indices."""
        return Pictures(*(part[chosen] for part in self._parts()))

    def _parts(self) -> tuple[Tensor, ...]:
        return self.pixels, self.shape, self.colour, self.across, self.sign, self.night


def make_pictures(first_seed: int, count: int, *, per_scene: int = 8) -> Pictures:
    """Single pictures of many scenes, degraded as by cameras."""
    pixels = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    shape = torch.zeros((count, CELLS, CELLS), dtype=torch.int64)
    colour, across = torch.zeros_like(shape), torch.zeros((count, CELLS, CELLS))
    sign = torch.zeros(count, dtype=torch.int64)
    night = torch.zeros(count)
    for number in range(count):
        seed, turn = first_seed + number // per_scene, number % per_scene
        rng = random.Random(f"picture:{seed}:{turn}")  # noqa: S311 - pictures, not secrets
        scene = make_scene("picture", seed, 12.0, actors=6, looks=TRAINED)
        time = rng.uniform(0, 12)
        pixels[number] = np.asarray(Wear(rng).of(draw(scene, time, SIDE)))
        sign[number] = scene.signs_until(time)[-1][1] - 1
        night[number] = float(scene.night(time))
        for actor in scene.visible(time):
            place = actor.position(time)
            if place is None or not 0 <= place[0] < 1:
                continue
            row, column = int(place[1] * CELLS), int(place[0] * CELLS)
            look = actor.look_at(time)
            if actor.crossing(time):
                shape[number, row, column] = colour[number, row, column] = _UNSURE
                continue
            shape[number, row, column] = 1 + SHAPES.index(look.shape)
            colour[number, row, column] = 1 + COLOURS.index(look.colour)
            across[number, row, column] = place[0]
    return Pictures(
        torch.from_numpy(pixels).permute(0, 3, 1, 2), shape, colour, across, sign, night
    )


class Probe(nn.Module):
    """Linear readings of pooled tower features. Only for training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shape = nn.Linear(width, 1 + len(SHAPES))
        self.colour = nn.Linear(width, 1 + len(COLOURS))
        self.across = nn.Linear(width, 1)
        self.third = nn.Linear(width, 3)
        self.sign = nn.Linear(width, SIGNS)
        self.night = nn.Linear(width, 1)

    def loss(self, features: Tensor, truth: Pictures) -> Tensor:
        """`features` [n, CELLS, CELLS, width], pooled."""
        there = truth.shape > _NOTHING
        shapes = functional.cross_entropy(
            self.shape(features).flatten(0, 2).float(), truth.shape.flatten()
        )
        colours = functional.cross_entropy(
            self.colour(features).flatten(0, 2).float(), truth.colour.flatten()
        )
        across = (self.across(features)[..., 0].float() - truth.across)[there].square().mean()
        thirds = functional.cross_entropy(
            self.third(features[there]).float(), (truth.across[there] * 3).long().clamp(0, 2)
        )
        top = features[:, 0].mean(dim=1)
        sign = functional.cross_entropy(self.sign(top).float(), truth.sign)
        night = functional.binary_cross_entropy_with_logits(
            self.night(features.mean(dim=(1, 2)))[:, 0].float(), truth.night
        )
        others = thirds + sign + 0.5 * night
        loss: Tensor = 4 * shapes + 4 * colours + 4 * across + others
        return loss

    @torch.no_grad()
    def accuracy(self, features: Tensor, truth: Pictures) -> dict[str, float]:
        """The share of right readings; for objects, of the cells that have one."""
        there = truth.shape > _NOTHING
        empty = truth.shape == _NOTHING
        shape, colour = self.shape(features).argmax(-1), self.colour(features).argmax(-1)
        third = self.third(features[there]).argmax(-1)
        sign = self.sign(features[:, 0].mean(dim=1)).argmax(-1)
        night = self.night(features.mean(dim=(1, 2)))[:, 0] > 0
        return {
            "shape": float((shape == truth.shape)[there].float().mean()),
            "colour": float((colour == truth.colour)[there].float().mean()),
            "empty": float((shape == truth.shape)[empty].float().mean()),
            "third": float((third == (truth.across[there] * 3).long()).float().mean()),
            "sign": float((sign == truth.sign).float().mean()),
            "night": float((night == (truth.night > 0.5)).float().mean()),
        }


def features_of(model: Any, pictures: Tensor) -> Tensor:
    """Patch features [n, patches, width] of [n, 3, SIDE, SIDE] uint8, as the model takes them."""
    tower = model.model.vision_tower
    pixels = (pictures.to(torch.float32) / 127.5 - 1).to(next(tower.parameters()).dtype)
    found = tower(pixels, output_hidden_states=True)
    features: Tensor = found.hidden_states[-1]
    return features


def pooled(features: Tensor) -> Tensor:
    """[n, patches, width] -> [n, CELLS, CELLS, width], the mean of 2 x 2 patches."""
    side = int(features.shape[1] ** 0.5)
    grid = features.view(-1, CELLS, side // CELLS, CELLS, side // CELLS, features.shape[-1])
    cells: Tensor = grid.mean(dim=(2, 4))
    return cells


def train_tower(model: Any, settings: Settings, pace: Pace) -> dict[str, float]:
    """Train `model`'s tower in place; its accuracy on pictures of other seeds."""
    torch.manual_seed(settings.seed)
    truth = make_pictures(settings.first_seed, settings.tower_pictures).to(model.device)
    pace.say(f"{settings.tower_pictures} pictures drawn")
    tower = model.model.vision_tower
    tower.set_attn_implementation("eager")  # its backward is several times as fast on a CPU
    dtype = fast_dtype(model.device)
    tower.to(dtype)
    probe = Probe(tower.config.hidden_size).to(model.device, dtype)
    weights = MasterWeights(
        [*tower.parameters(), *probe.parameters()],
        rate=settings.tower_rate,
        steps=settings.tower_steps,
        warm_up=0.1,
        decay=0.02,
    )
    generator = torch.Generator().manual_seed(settings.seed)
    for step in range(settings.tower_steps):
        chosen = torch.randint(0, len(truth.pixels), (settings.tower_batch,), generator=generator)
        some = truth.some(chosen.to(model.device))
        loss = probe.loss(pooled(features_of(model, some.pixels)), some)
        weights.step(loss)
        pace.step("tower", step, settings.tower_steps, float(loss.detach()))
    weights.publish(torch.float32)
    other = make_pictures(settings.held_out_seed, settings.tower_check).to(model.device)
    with torch.no_grad():
        features = torch.cat([features_of(model, part) for part in other.pixels.split(500)])
    found = probe.accuracy(pooled(features), other)
    pace.say("tower: " + " ".join(f"{name}={share:.3f}" for name, share in found.items()))
    return found
