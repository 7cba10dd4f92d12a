"""A small tokenizer that is trained in code, for models without trained weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CORPUS = [
    "What is happening now? What colour is the car? How many people are in the room?",
    "Describe the scene. A person walks to the door, opens it and leaves. The light is on.",
    "Who came first? Did a red van appear? Where is the bicycle? Is it day or night?",
    "The camera shows a street, a lobby, a loading dock and a corridor.",
]

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
"""Its special tokens with ids 0, 1 and 2."""
END_ID = 2


def build(further: Sequence[str], named: Mapping[str, str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE of at most 512 tokens.

    `further`: special tokens of a family, which get ids from 3 on. `named`: some of
    them, by the name of their attribute in transformers.
    """
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[END_OF_TEXT, START, END, *further],  # the trainer puts them first
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=END,
        pad_token=END_OF_TEXT,
        extra_special_tokens=dict(named),
    )
