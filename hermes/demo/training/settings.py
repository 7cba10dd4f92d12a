"""All settings of the demo model's training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults are those of the model that comes with the package.

    `first_seed`: scenes of this seed and above are for training; those from
    `held_out_seed` on, below it, never are. The tower learns from single
    pictures, for `tower_steps` of `tower_batch`; then the decoder from streams
    of up to `frames`, for `steps`, `search_steps`, `find_steps`, `finish_steps` and `bind_steps`
    of `batch` (`hermes.demo.training.courses`), with `questions` about each;
    every `summary_every`-th step is about the guidance prompts instead. What it
    knows is looked at on `check_batches` batches now and then, and on
    `held_out_batches` in the end.
    """

    seed: int = 0
    first_seed: int = 10_000_000
    held_out_seed: int = 0
    tower_pictures: int = 50_000
    tower_steps: int = 3_000
    tower_batch: int = 128
    tower_rate: float = 2e-3
    tower_check: int = 4_000
    frames: int = 24
    steps: int = 2_400
    batch: int = 16
    questions: int = 24
    summary_every: int = 6
    rate: float = 2e-3
    search_steps: int = 400
    find_steps: int = 600
    finish_steps: int = 1_500
    bind_steps: int = 1_500
    finish_rate: float = 1.5e-3
    warm_up: float = 0.06
    decay: float = 0.05
    check_every: int = 200
    check_batches: int = 4
    held_out_batches: int = 40
    loaders: int = 1
