"""An engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hermes import limits
from hermes.errors import InvalidInput
from hermes.memory import POLICIES
from hermes.memory.changes import ChangeConfig
from hermes.vlm.live_picture import MOST_PRESENT_FRAMES

Ingest = Literal["auto", "changes", "full"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Limits of one engine. Tokens are video tokens per layer; frames are sampled frames.

    `budget_tokens`: tokens that a memory holds after a compression.
    `compress_every_frames`: frames between two compressions.
    `max_cameras`: memories on this device.
    `max_pending_frames`: frames of one camera that may wait for the device.
    `max_questions`: questions that are waiting or being answered, over all cameras.
    `max_camera_questions`: the same for one camera.
    `max_question_tokens`, `max_answer_tokens`: length of the longest question and answer.
    `max_merge_tokens`: length of what several cameras answered, where one answer is made
    of it; longer answers are cut.
    `max_wait_s`: a question that would wait longer for its first token is
    refused at once, unless no other question is waiting.
    `questions_per_ingest`: after this many passes for questions in a row, one
    pass over frames runs, so that constant questions do not starve the cameras.
    `prefill_tokens`: tokens of new questions that one pass reads; it always reads
    at least one question. Longer questions are read in slices. On a CPU it reads up to
    four times as many, as far as that takes no more than 0.3 s.
    `max_pass_frames`: the most tokens in one pass, over all cameras, as a number of
    the model's largest frames.
    `slice_s`: average time that one slice (a layer) of a pass over frames may
    take; 0: as long as suits the device (`hermes.memory.Device`). A pass gives way to
    questions between its slices, and takes as many frames as this time allows.
    `watch_share`: the share of the device's time that standing questions take at most
    while frames wait. `max_standing`: standing questions that are waiting or being
    answered.
    `policy`: name of the policy that decides which tokens a memory keeps.
    `ingest`: whether frames are taken in `full`, or only their `changes`; `auto`:
    changes where the policy keeps the present picture as it must then, which is
    `hermes` alone. The default is the library's, `full`; a worker's is `auto`.
    `change_threshold`, `change_refresh_s`: as in `hermes.memory.ChangeConfig`.
    `present_frames`: how many of the newest frames a question sees in full, if
    memory holds only what changed.
    """

    budget_tokens: int = limits.BUDGET_TOKENS.default
    compress_every_frames: int = limits.COMPRESS_EVERY_FRAMES.default
    max_cameras: int = limits.MAX_CAMERAS.default
    max_pending_frames: int = 64
    max_questions: int = limits.MAX_QUESTIONS.default
    max_question_tokens: int = limits.MAX_QUESTION_TOKENS.default
    max_answer_tokens: int = limits.MAX_ANSWER_TOKENS.default
    max_merge_tokens: int = limits.MAX_MERGE_TOKENS.default
    max_camera_questions: int = limits.MAX_CAMERA_QUESTIONS.default
    max_wait_s: float = limits.MAX_WAIT_S.default
    questions_per_ingest: int = 8
    prefill_tokens: int = 256
    max_pass_frames: int = 32
    slice_s: float = limits.SLICE_S.default
    watch_share: float = limits.WATCH_SHARE.default
    max_standing: int = 1024
    policy: str = "hermes"
    ingest: Ingest = "full"
    change_threshold: float = limits.CHANGE_THRESHOLD.default
    change_refresh_s: float = limits.CHANGE_REFRESH_S.default
    present_frames: int = limits.PRESENT_FRAMES.default

    def __post_init__(self) -> None:
        for name in (
            "budget_tokens",
            "compress_every_frames",
            "max_cameras",
            "max_pending_frames",
            "max_questions",
            "max_question_tokens",
            "max_answer_tokens",
            "max_merge_tokens",
            "max_camera_questions",
            "questions_per_ingest",
            "prefill_tokens",
            "max_pass_frames",
            "max_standing",
        ):
            if getattr(self, name) < 1:
                raise InvalidInput(name, "must be at least 1")
        if self.max_wait_s <= 0:
            raise InvalidInput("max_wait_s", "must be more than 0")
        if self.slice_s < 0:
            raise InvalidInput("slice_s", "must be at least 0")
        if not 0 < self.watch_share <= 1:
            raise InvalidInput("watch_share", "must be more than 0, and at most 1")
        if self.policy not in POLICIES:
            raise InvalidInput("policy", f"is unknown; known: {', '.join(sorted(POLICIES))}")
        if self.ingest not in ("auto", "changes", "full"):
            raise InvalidInput("ingest", "must be auto, changes or full")
        try:
            ChangeConfig(self.change_threshold, refresh_s=self.change_refresh_s)
        except InvalidInput as error:
            raise InvalidInput(f"change_{error.field}", error.message) from None
        if not 0 <= self.present_frames <= MOST_PRESENT_FRAMES:
            raise InvalidInput("present_frames", f"must be between 0 and {MOST_PRESENT_FRAMES}")

    @property
    def changes(self) -> ChangeConfig | None:
        """What counts as a change; None if frames are taken in full."""
        if self.ingest == "full" or (self.ingest == "auto" and self.policy != "hermes"):
            return None
        return ChangeConfig(self.change_threshold, refresh_s=self.change_refresh_s)
