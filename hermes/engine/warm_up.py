"""Warm-up before the first camera: runs passes once, and measures how many memories fit."""

from __future__ import annotations

import torch

from hermes.engine.capacity import cameras_that_fit, room_of
from hermes.engine.config import EngineConfig
from hermes.errors import InvalidInput
from hermes.memory import FrameStamp
from hermes.vlm import Arrival, VideoMemory, take_together


def warm_up(memory: VideoMemory, config: EngineConfig) -> int:
    """Run passes as an engine does, and return how many memories fit beside them.

    On a CPU this runs one frame and one question. On a GPU it runs the largest
    possible pass, over enough frames that the memory is compressed, to measure
    the most memory that a pass takes. `memory` takes in all of each frame.
    Returns at most `config.max_cameras`. Raises `InvalidInput` if not even one
    memory fits.
    """
    device = memory.model.shape.device
    before = _allocated(device, reset_peak=True)
    frames = 1
    if device.type == "cuda":
        tokens = memory.model.most_frame_tokens
        frames = max(config.max_pass_frames, config.budget_tokens // tokens + 1)
        frames += config.compress_every_frames
    pictures = torch.zeros((3, *memory.model.frame_size), dtype=torch.uint8)
    together = memory.model.pictures_per_frame * frames
    arrivals = [Arrival(memory, pictures, FrameStamp(1000 * n)) for n in range(together)]
    for outcome in take_together(arrivals):
        if isinstance(outcome, Exception):
            raise outcome
    memory.ask(_question(memory, config), max_tokens=2)
    work = _peak(device) - before
    fitting = cameras_that_fit(
        room_of(device, work),
        memory.model.shape,
        memory.cache.capacity,
        _readers(config),
        memory.picture_bytes,
    )
    if not fitting:
        raise InvalidInput(
            "budget_tokens",
            f"{config.budget_tokens}: not even one memory fits beside the model on {device};"
            " lower it, or take a smaller model",
        )
    return min(fitting, config.max_cameras)


def _question(memory: VideoMemory, config: EngineConfig) -> str:
    """A question as long as one that begins with present frames.

    `memory` has taken in all of its newest frame, and so would not show it again.
    """
    shown = 0 if config.changes is None else config.present_frames
    return f"What is there{' there' * shown * memory.model.most_frame_tokens}?"


def _readers(config: EngineConfig) -> int:
    """The most memories that are read at once: each open question reads one."""
    return min(config.max_questions, config.max_cameras)


def _allocated(device: torch.device, *, reset_peak: bool) -> int:
    if device.type != "cuda":
        return 0
    if reset_peak:
        torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
