"""Limits for the demo model, which was made for 512 positions. No torch."""

from __future__ import annotations

SIDE = 64
"""Width and height of the frames it takes, in pixels."""

LIMITS = {
    "budget_tokens": 192,  # twelve frames
    "compress_every_frames": 4,
    "max_question_tokens": 64,
    "max_answer_tokens": 40,
}
"""Limits of an engine, by the names of `hermes.engine.EngineConfig`."""
