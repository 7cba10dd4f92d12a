"""What a model's tokens write, byte by byte, so that a grammar can say which of them may come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tokenizers import decoders

from hermes.errors import Unsupported
from hermes.vlm.decoding import Decoding
from hermes.vlm.plain_text import PlainText

_CLOSING = '"]}'


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """Pieces of text that a model can write under a grammar.

    A model whose tokens are bytes has a piece for each token. One whose tokens are
    whole words has each word with a space before it and without one, and each single
    byte: it is then shown, and scored by, a token that it knows.

    `pieces`: their bytes. `never`: those that no grammar may choose: control tokens, and
    ids without a token. `ends`: the pieces that end an answer. `tokens`: the model's token
    for each piece; `scored_by`: the token whose logit the piece has; None if the pieces are
    the tokens. `pieces_of`: the pieces in which a text is usually written.
    """

    pieces: tuple[bytes, ...]
    never: tuple[int, ...]
    ends: tuple[int, ...]
    pieces_of: Callable[[str], list[int]]
    tokens: tuple[int, ...] | None = None
    scored_by: tuple[int, ...] | None = None

    @classmethod
    def of(cls, tokenizer: Any, decoding: Decoding) -> Spelling:
        """Raises `Unsupported` for a kind of tokenizer that it does not know."""
        decoder = tokenizer.backend_tokenizer.decoder
        if isinstance(decoder, decoders.ByteLevel):
            return _of_bytes(tokenizer, decoding)
        if isinstance(decoder, decoders.WordPiece):
            return _of_words(tokenizer, decoding)
        raise Unsupported(
            f"answers of a form need a tokenizer of bytes or words, not {type(decoder).__name__}"
        )


def _of_bytes(tokenizer: Any, decoding: Decoding) -> Spelling:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    alphabet = {character: byte for byte, character in bytes_to_unicode().items()}
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    known = {id: token for token, id in tokenizer.get_vocab().items() if id not in added}
    pieces, never = [], []
    for id in range(decoding.vocabulary):
        characters = known.get(id, "")
        if characters and all(character in alphabet for character in characters):
            pieces.append(bytes(alphabet[character] for character in characters))
        else:
            pieces.append(b"")
            never.append(id)
    return Spelling(
        pieces=tuple(pieces),
        never=tuple(never),
        ends=tuple(sorted(decoding.end_ids)),
        pieces_of=PlainText(tokenizer).ids,
    )


def _of_words(tokenizer: Any, decoding: Decoding) -> Spelling:
    backend = tokenizer.backend_tokenizer
    added = backend.get_added_tokens_decoder()
    known = sorted((id, word) for word, id in tokenizer.get_vocab().items() if id not in added)
    other: int = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else known[0][0]
    first_end = min(decoding.end_ids, default=other)
    written: dict[bytes, tuple[int, int]] = {}
    for id, word in known:  # with what the decoder writes between words
        after_another = backend.decoder.decode([word, word])[len(backend.decoder.decode([word])) :]
        written.setdefault(after_another.encode(), (id, id))
    for id, word in known:
        written.setdefault(word.encode(), (id, id))
    # Of pieces with the same score the first is chosen: spaces only where nothing else may come.
    for byte in sorted(range(256), key=lambda byte: (chr(byte).isspace(), byte)):
        closes = byte in _CLOSING.encode()
        written.setdefault(bytes([byte]), (other, first_end if closes else other))
    ends = sorted(decoding.end_ids)  # first: before a byte that the end scores
    pieces = (*[b""] * len(ends), *written)
    numbers = {piece: number for number, piece in enumerate(pieces) if piece}
    longest = max(map(len, pieces))

    def pieces_of(text: str) -> list[int]:
        left, found = text.encode(), []
        while left:
            size = next(n for n in range(longest, 0, -1) if left[:n] in numbers)
            found.append(numbers[left[:size]])
            left = left[size:]
        return found

    return Spelling(
        pieces=pieces,
        never=(),
        ends=tuple(range(len(ends))),
        pieces_of=pieces_of,
        tokens=(*ends, *(token for token, _ in written.values())),
        scored_by=(*ends, *(token for _, token in written.values())),
    )
