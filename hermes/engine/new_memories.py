"""Makes the memories of one engine: all of one kind, with slabs and prompts that they share."""

from __future__ import annotations

from hermes.engine.config import EngineConfig
from hermes.memory import POLICIES, ChangeConfig, MemoryConfig, SlabPool
from hermes.vlm import VideoMemory, VideoModel, guidance_prompts
from hermes.vlm.guidance import guidance_of


class NewMemories:
    """Makes memories on the device's thread, or before it starts."""

    def __init__(self, model: VideoModel, config: EngineConfig) -> None:
        self._model = model
        self._config = config
        self.kind = MemoryConfig(
            budget=config.budget_tokens,
            headroom=config.compress_every_frames * model.most_frame_tokens,
            position_limit=model.position_limit,
            position_reserve=_branch_tokens(model, config),
        )
        self.slabs = SlabPool(model.shape)
        policy = POLICIES[config.policy]()
        self._prompts = guidance_prompts(model, guidance_of(policy)) if policy.guided else None

    @property
    def reach(self) -> int:
        """The most tokens that a token of a question or an answer attends to."""
        model, kind = self._model, self.kind
        reach = len(model.prefix()) + kind.budget + kind.headroom + kind.position_reserve
        return reach + self._config.present_frames * model.most_frame_tokens

    def make(self, changes: ChangeConfig | None) -> VideoMemory:
        """An empty memory. `changes`: what counts as one; None if frames are taken in full."""
        config = self._config
        return VideoMemory(
            self._model,
            POLICIES[config.policy](),
            config=self.kind,
            compress_every_frames=config.compress_every_frames,
            prompts=self._prompts,
            slabs=self.slabs,
            changes=changes,
            present_frames=config.present_frames,
        )


def _branch_tokens(model: VideoModel, config: EngineConfig) -> int:
    """The most tokens of a question, its answer and pictures that wait for the rest of a frame."""
    waiting = model.most_frame_tokens if model.pictures_per_frame > 1 else 0
    return config.max_question_tokens + config.max_answer_tokens + waiting
