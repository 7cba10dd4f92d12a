"""HERMES memory under unmodified Hugging Face video language models."""

from hermes.vlm.base import TextStream, VideoModel
from hermes.vlm.frame_pass import Outcome
from hermes.vlm.guidance import guidance_prompts
from hermes.vlm.loading import FAMILIES, load
from hermes.vlm.together import Arrival, take_together
from hermes.vlm.token_choice import ChosenToken, TokenChoice
from hermes.vlm.tower import Between
from hermes.vlm.video_memory import VideoMemory

__all__ = [
    "FAMILIES",
    "Arrival",
    "Between",
    "ChosenToken",
    "Outcome",
    "TextStream",
    "TokenChoice",
    "VideoMemory",
    "VideoModel",
    "guidance_prompts",
    "load",
    "take_together",
]
