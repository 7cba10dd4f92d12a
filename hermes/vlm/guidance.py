"""The guidance prompts: they cover what later questions may be about."""

from __future__ import annotations

from torch import Tensor

from hermes.vlm.base import VideoModel

LOCAL = (
    "Describe the scene as it is now: which objects and people are there, what each of them is"
    " doing, what they look like, and where they are relative to one another."
)
GLOBAL = (
    "Sum up the whole video so far: who and what appeared, what happened and in which order, what"
    " changed, and what it is about."
)


def guidance_prompts(model: VideoModel) -> tuple[Tensor, Tensor]:
    """Embeddings [n, hidden] of the global prompt and of the mixed one (local, then global)."""
    return model.question(GLOBAL), model.question(f"{LOCAL} {GLOBAL}")
