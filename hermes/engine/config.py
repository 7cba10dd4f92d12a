"""How an engine is set up."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.errors import InvalidInput
from hermes.memory import POLICIES


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Limits of one engine. Tokens are video tokens per layer; frames are sampled frames.

    `budget_tokens`: what a memory holds after a compression.
    `compress_every_frames`: frames between two compressions.
    `max_cameras`: memories on this device.
    `max_pending_frames`: frames of one camera that may wait for the device.
    `max_questions`: questions waiting or being answered, over all cameras.
    `max_question_tokens`, `max_answer_tokens`: the longest of each.
    `questions_per_ingest`: device steps for questions before one ingest step
    is let in, so that constant questions do not starve the cameras.
    """

    budget_tokens: int = 4000
    compress_every_frames: int = 16
    max_cameras: int = 64
    max_pending_frames: int = 64
    max_questions: int = 64
    max_question_tokens: int = 512
    max_answer_tokens: int = 256
    questions_per_ingest: int = 8
    policy: str = "hermes"

    def __post_init__(self) -> None:
        for name in (
            "budget_tokens",
            "compress_every_frames",
            "max_cameras",
            "max_pending_frames",
            "max_questions",
            "max_question_tokens",
            "max_answer_tokens",
            "questions_per_ingest",
        ):
            if getattr(self, name) < 1:
                raise InvalidInput(name, "must be at least 1")
        if self.policy not in POLICIES:
            raise InvalidInput("policy", f"is unknown; known: {', '.join(sorted(POLICIES))}")
