"""The guidance prompts: they cover what later questions may be about."""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory import Projections, RetentionPolicy
from hermes.memory.config import Guidance
from hermes.vlm.base import VideoModel
from hermes.vlm.plain_text import PlainText

LOCAL = (
    "Describe the scene as it is now: which objects and people are there, what each of them is"
    " doing, what they look like, and where they are relative to one another."
)
GLOBAL = (
    "Sum up the whole video so far: who and what appeared, what happened and in which order, what"
    " changed, and what it is about."
)


def guidance_of(policy: RetentionPolicy) -> Guidance:
    """What guides a policy, if it is guided."""
    found: Guidance = getattr(getattr(policy, "config", None), "guidance", "pass")
    return found


def guidance_prompts(model: VideoModel, guidance: Guidance = "pass") -> tuple[Tensor, Tensor]:
    """Embeddings [n, hidden] of the global prompt and of the mixed one (local, then global).

    For guidance by embeddings they are bare text, joined as in the authors' code.
    """
    if guidance == "pass":
        return model.question(GLOBAL), model.question(f"{LOCAL} {GLOBAL}")
    text = PlainText(model.tokenizer)
    return model.embed(text.ids(GLOBAL)), model.embed(text.ids(f"{LOCAL}; {GLOBAL}"))


@torch.inference_mode()
def projections(model: VideoModel, prompt: Tensor) -> Projections:
    """What every layer of a model makes of a prompt's embeddings [n, width]."""
    return model.decoder.projections(prompt[:, : model.decoder.width])
