"""The demo model's tokenizer: one token for each of the few hundred words that it knows."""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hermes.demo.questions import NUMBERS
from hermes.demo.scenes import COLOURS, SHAPES
from hermes.vlm import guidance

PAD, START, END, UNKNOWN = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>"
IMAGE, VIDEO = "<image>", "<video>"
SPECIAL = (PAD, START, END, UNKNOWN, IMAGE, VIDEO)

_PHRASES = (
    "What colour is the? What shape is the object? How many objects are there now? Where is the?",
    "Is it day or night? What is on the sign? What came in last? What came first? Did a appear?",
    "What colour was the? How many came by? What was on the sign before?",
    "circles squares triangles stars",
    "left middle right yes no nothing then user assistant",
    guidance.LOCAL,
    guidance.GLOBAL,
)


def vocabulary() -> list[str]:
    """Every token, in the order of its id."""
    known = dict.fromkeys((*SPECIAL, *COLOURS, *SHAPES, *NUMBERS))
    for phrase in _PHRASES:
        known.update(dict.fromkeys(re.findall(r"\w+|[^\w\s]", phrase.lower())))
    return list(known)


def build() -> PreTrainedTokenizerFast:
    """The tokenizer. Case does not matter; a word that it does not know is `<unk>`."""
    words = {word: index for index, word in enumerate(vocabulary())}
    backend = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), "removed", invert=True)
    backend.decoder = decoders.WordPiece(
        prefix="##", cleanup=True
    )  # a space before words, none before commas
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE, "video_token": VIDEO, "start_token": START},
    )
