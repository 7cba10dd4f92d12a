"""How many cameras a model can follow on GPUs that are not here."""

from __future__ import annotations

from hermes.engine.capacity import Fit, Room, fit_of, slab_bytes
from hermes.engine.config import EngineConfig
from hermes.vlm.model_facts import ModelFacts

_GIB = 1 << 30

GPUS = {
    "A100 40GB": int(39.4 * _GIB),
    "A100 80GB": int(79.1 * _GIB),
    "H100 80GB": int(79.1 * _GIB),
    "GH200 96GB": int(94.9 * _GIB),
    "H200": int(139.8 * _GIB),
    "L40S": int(44.4 * _GIB),
}
"""Bytes that PyTorch finds on each."""

_CONTEXT = int(0.6 * _GIB)
"""What CUDA and its libraries take."""
_WORK = 2 * _GIB
"""An estimate of what a pass takes beside weights and memories; a worker measures it at start."""


def memory_tokens(facts: ModelFacts, config: EngineConfig) -> int:
    """Tokens for which each layer of a camera's memory has room."""
    headroom = config.compress_every_frames * facts.most_frame_tokens
    return facts.prefix_tokens + config.budget_tokens + headroom


def memory_bytes(facts: ModelFacts, config: EngineConfig) -> int:
    """Bytes of a camera's memory on a GPU."""
    return slab_bytes(facts.shape, memory_tokens(facts, config))


def room_on(gpu: str, facts: ModelFacts) -> Room:
    """The room that there is on one of `GPUS` beside a model's weights."""
    total = GPUS[gpu]
    return Room(total - _CONTEXT - facts.weight_bytes, _WORK, total)


def fit_on(gpu: str, facts: ModelFacts, config: EngineConfig) -> Fit:
    """About what fits on one of `GPUS`; no camera if the model does not."""
    room = room_on(gpu, facts)
    if room.usable <= 0:
        return Fit(0)
    most = min(config.max_questions, config.max_cameras)
    fit = fit_of(room, facts.shape, memory_tokens(facts, config), most)
    return Fit(min(config.max_cameras, fit.cameras), fit.read_at_once)


def cameras_on(gpu: str, facts: ModelFacts, config: EngineConfig) -> int:
    """About how many cameras fit on one of `GPUS`; 0 if the model does not."""
    return fit_on(gpu, facts, config).cameras
