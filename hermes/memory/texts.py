"""Texts of frames: a frame's time and marks stay whole, and with the frame.

Half a time would be another time, and a time without its picture says nothing. So
the text of a frame is worth as much as the best token of its picture in the same
layer, and is kept whole or not at all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory.frame_layout import FIRST_TEXT, PLACES
from hermes.memory.scores import top
from hermes.memory.summary import SUMMARY_PATCH


def with_whole_texts(
    scores: Tensor, frames: Tensor, patches: Tensor, count: int, summaries: int
) -> Tensor:
    """Scores [L, n] by which the best `count` of a layer have no text in part.

    `frames`, `patches`: [L, n], the identity of each token, in stream order.
    `summaries`: how many of a layer's summaries, the newest, are among the best
    whatever their scores; the others are not. Where the other tokens run out, one
    text of a layer may be cut all the same. An infinite score is that of a token that
    must stay: a text stays with it only where there is room, unless its own is infinite.
    """
    summary = patches == SUMMARY_PATCH
    text = (patches % PLACES >= FIRST_TEXT) & ~summary
    frame = frame_of_each(frames)

    def of_frames(values: Tensor, how: str, start: float) -> Tensor:
        found = torch.full_like(scores, start)
        return found.scatter_reduce(1, frame, values, how).gather(1, frame)

    staying_text = text & (scores == torch.inf)
    best = of_frames(scores.masked_fill(text | summary, -torch.inf), "amax", -torch.inf)
    # Just below the picture's best token, which is then kept wherever the text is.
    below = torch.nextafter(best, torch.full_like(best, -torch.inf))
    joined = torch.where(text & ~staying_text, below, scores)
    newer = summary.flip(1).cumsum(dim=1).flip(1)  # how many there are from a token on
    staying = summary & (newer <= summaries)
    ranked = joined.masked_fill(summary, -torch.inf).masked_fill(staying, torch.inf)
    kept = torch.zeros_like(text).scatter_(1, top(ranked, count), True)
    cut = of_frames((text & ~kept).to(scores.dtype), "amax", 0) > 0
    return joined.masked_fill(text & cut & ~staying_text, -torch.inf)


def frame_of_each(frames: Tensor) -> Tensor:
    """[L, n] int64: of the frames that a layer holds, which one each token is of, from 0."""
    first = torch.ones_like(frames, dtype=torch.bool)
    first[:, 1:] = frames[:, 1:] != frames[:, :-1]
    return first.cumsum(dim=1) - 1
