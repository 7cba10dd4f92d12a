"""The model card, which is written next to the weights."""

from __future__ import annotations

from collections.abc import Mapping

from hermes.demo.questions import KINDS
from hermes.demo.training.settings import Settings

_CARD = """# The demo model

A LLaVA-OneVision of {parameters:.1f} million parameters (SigLIP tower, projector, decoder of
{layers} layers), trained by `python -m hermes.demo.train` on scenes that this project draws.
**It is a demonstration**: it knows little worlds of coloured shapes, a sign with a number, day and
night, and {words} words. It knows nothing about real video, and has never seen a photograph.

It takes frames of {side} x {side} pixels, {tokens} tokens each, and was trained on streams of up to
{frames} frames; positions beyond {positions} mean nothing to it. It answers these questions, in
these words, and summarises when it is asked the guidance prompts:

{questions}

## What it knows

Share of answers that are right to their last word, with every frame kept, in {asked} questions
about streams of {frames} frames of seeds that training never saw:

| question | right |
| --- | --- |
{rows}

Four of the {looks} pairs of shape and colour were left out of training, to see whether it
recognises a red star after having seen only other red objects and other stars. Answers about longer
streams, by memory policy, are on the project's page on memory quality.

## How it was trained

1. The tower alone, on {pictures} pictures: what stands in each cell, where, the sign, the light.
2. Projector and decoder, on fresh streams at every step, the tower frozen: answers to {per_stream}
   questions at random moments of each stream, and in every {every}th step the guidance prompts.
   In half of the streams tokens are hidden at random after a while, differently in each third of
   the layers, and there are holes between positions: a memory that evicts looks like that,
   whichever policy it has. A linear reading of the guidance prompts' rows must tell what came, what
   is there, what the sign said; it is thrown away afterwards.
3. Streams of a few frames, and no question but whether a shape appeared: in a mix with others it
   stays at chance.
4. The same streams; mostly, whether a thing of some shape and colour appeared.
5. All kinds once more, on streams that grow, with more of those that compare what is asked with
   what was seen, or count over the whole stream.
6. And once more, every other stream of full length, with more of those that bind a colour to a
   shape.

Settings and seed are in `training.json`. AdamW; bfloat16 where the machine multiplies in it, with
float32 master weights.
"""

_ASKED = {
    "colour-now": "What colour is the star?",
    "shape-now": "What shape is the red object?",
    "count-now": "How many objects are there now?",
    "where-now": "Where is the red star?",
    "where-shape": "Where is the star?",
    "light-now": "Is it day or night?",
    "sign-now": "What is on the sign?",
    "last": "What came in last?",
    "first": "What came first?",
    "appeared": "Did a red star appear?",
    "shape-appeared": "Did a star appear?",
    "colour-past": "What colour was the star?",
    "came-by": "How many stars came by?",
    "sign-past": "What was on the sign before?",
}


def card(
    settings: Settings,
    accuracy: Mapping[str, float],
    *,
    asked: int,
    parameters: int,
    layers: int,
    words: int,
    side: int,
    tokens: int,
    positions: int,
    looks: int,
) -> str:
    """Markdown. `accuracy`: share of right answers by kind of question, of `asked`."""
    return _CARD.format(
        parameters=parameters / 1e6,
        layers=layers,
        words=words,
        side=side,
        tokens=tokens,
        positions=positions,
        frames=settings.frames,
        pictures=f"{settings.tower_pictures:,}",
        per_stream=settings.questions,
        every=settings.summary_every,
        asked=f"{asked:,}",
        looks=looks,
        questions="\n".join(f"- {_ASKED[kind]}" for kind in KINDS),
        rows="\n".join(f"| {_ASKED[kind]} | {100 * accuracy[kind]:.1f}% |" for kind in KINDS),
    )
