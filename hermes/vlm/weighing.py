"""How likely an answer is while frames are hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hermes.memory import Branch, PackedPass
from hermes.memory.readings import Readings
from hermes.vlm.base import VideoModel


@torch.inference_mode()
def logprobs_without(
    model: VideoModel,
    branch: Branch,
    question: Tensor,
    answer: Sequence[int],
    hidden: Sequence[Sequence[int]],
    between: Callable[[], None] | None = None,
) -> list[float]:
    """The log-probability of a whole answer while frames are hidden; for each of `hidden` one.

    `question`: its inputs [n, width], without the frames that the branch begins with.
    `answer`: token ids. All are read in one pass, which leaves the branch as it is.
    `between`: as in `PackedPass`.
    """
    asked = branch.opened_by(question)
    inputs = torch.cat((asked, model.embed(list(answer[:-1])))) if len(answer) > 1 else asked
    readings = Readings(branch, len(inputs), hidden)
    states = model.forward(inputs.repeat(len(hidden), 1), PackedPass([readings], between))
    states = states.view(len(hidden), len(inputs), -1)[:, len(asked) - 1 :]
    wanted = torch.tensor(answer).to(states.device, non_blocking=True)[:, None]
    found = [
        model.logits(own).to(torch.float32).log_softmax(-1).gather(1, wanted).sum()
        for own in states
    ]
    return [float(logprob) for logprob in torch.stack(found).tolist()]
