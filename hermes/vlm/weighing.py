"""How likely an answer's text is while frames are hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hermes.memory import Branch, PackedPass
from hermes.memory.readings import Readings
from hermes.vlm.base import VideoModel
from hermes.vlm.left_open import OpenToken


@torch.inference_mode()
def logprobs_without(
    model: VideoModel,
    branch: Branch,
    question: Tensor,
    answer: Sequence[int],
    hidden: Sequence[Sequence[int]],
    between: Callable[[], None] | None = None,
    *,
    left_open: Sequence[OpenToken] | None = None,
) -> list[float]:
    """The log-probability of an answer's text while frames are hidden; for each of `hidden` one.

    `question`: its inputs [n, width], without the frames that the branch begins with.
    `answer`: token ids. All are read in one pass, which leaves the branch as it is.
    `between`: as in `PackedPass`. `left_open`: of an answer with a grammar. Its other tokens had
    to come and do not count; these count as one of those that could have come.

    The token that ends an answer does not count either. From few frames, a model may still say
    the same and not know that this is all: that does not make the answer another one.
    """
    if left_open is None:
        ends = model.decoding.end_ids
        left_open = [OpenToken(at, token) for at, token in enumerate(answer) if token not in ends]
    if not left_open:
        return [0.0] * len(hidden)
    asked = branch.opened_by(question)
    inputs = torch.cat((asked, model.embed(list(answer[:-1])))) if len(answer) > 1 else asked
    readings = Readings(branch, len(inputs), hidden)
    states = model.forward(inputs.repeat(len(hidden), 1), PackedPass([readings], between))
    states = states.view(len(hidden), len(inputs), -1)[:, len(asked) - 1 :]
    places, wanted, among = (
        part.to(states.device, non_blocking=True) for part in _tables(left_open)
    )
    found = []
    for own in states.index_select(1, places):
        scores = model.logits(own).to(torch.float32)
        whole = scores.logsumexp(-1)
        if among.shape[1]:
            some = scores.gather(1, among.clamp(min=0)).masked_fill(among < 0, -torch.inf)
            whole = torch.where(among[:, 0] < 0, whole, some.logsumexp(-1))
        found.append((scores.gather(1, wanted)[:, 0] - whole).sum())
    return [float(logprob) for logprob in torch.stack(found).tolist()]


def _tables(tokens: Sequence[OpenToken]) -> tuple[Tensor, Tensor, Tensor]:
    """Places [n], the token that each is scored by [n, 1], and what it is among [n, m], filled up
    with -1.
    """
    most = max(len(token.among) for token in tokens)
    rows = [[*token.among, *[-1] * (most - len(token.among))] for token in tokens]
    return (
        torch.tensor([token.place for token in tokens]),
        torch.tensor([[token.scored_by] for token in tokens]),
        torch.tensor(rows, dtype=torch.int64),
    )
