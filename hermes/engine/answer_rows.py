"""The rows of one pass over several answers, and what goes into it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes.engine.answer import Answer
from hermes.memory import BranchRow
from hermes.vlm import VideoModel
from hermes.vlm.scoring import Wanted


def rows_of(
    model: VideoModel, answers: Sequence[Answer]
) -> tuple[list[Tensor], list[BranchRow], list[int | Wanted]]:
    """Inputs, together those of all rows in order; a row for each answer, and what it wants.

    A question is read with its first row. Then comes one token in each: the last one that was
    written, all of which are embedded at once where they follow one another.
    """
    inputs: list[Tensor] = []
    written: list[int] = []  # tokens that come after the inputs so far
    rows: list[BranchRow] = []
    wants: list[int | Wanted] = []
    for answer in answers:
        branch, own, scoring = answer.branch, answer.next_input, answer.scoring
        assert branch is not None
        if scoring is None and own is None:
            assert answer.choice is not None
            written.append(answer.ids[-1])
            rows.append(branch.row(1))
            wants.append(answer.choice)
            continue
        if written:
            inputs.append(model.embed(written))
            written = []
        if scoring is not None:
            choices = model.embed(scoring.ids)
            before = 0 if own is None else len(own)
            inputs.append(choices if own is None else torch.cat((own, choices)))
            rows.append(scoring.row(branch, before))
            wants.append(scoring.wanted(before))
            continue
        assert own is not None
        assert answer.choice is not None
        wants.append(answer.choice)
        inputs.append(own)
        rows.append(branch.row(len(own)))
    if written:
        inputs.append(model.embed(written))
    return inputs, rows, wants
