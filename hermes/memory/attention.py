"""Attention of one row of a packed forward pass over its own memory.

Rows see only what is theirs: a forward pass may carry frames of one camera and
questions about others side by side, so that the weights are read once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

from hermes.errors import InvalidInput
from hermes.memory.rope import rotate


class Row(Protocol):
    """One sequence within a packed pass."""

    @property
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""
        ...

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention output [heads, tokens, head_dim] for unrotated inputs of the same layout.

        `key` and `value` have kv_heads heads. The row stores them if later passes
        need them.
        """
        ...


@dataclass(frozen=True, slots=True)
class HeadNorms:
    """RMSNorm of each head's queries and keys, before they are rotated.

    `query`, `key`: its weights, [head_dim]. `epsilon`: added to the mean square.
    """

    query: Tensor
    key: Tensor
    epsilon: float

    def of(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys [1, heads, tokens, head_dim], each head normalised."""
        size, epsilon = self.query.shape, self.epsilon
        return (
            functional.rms_norm(query.transpose(1, 2), size, self.query, epsilon).transpose(1, 2),
            functional.rms_norm(key.transpose(1, 2), size, self.key, epsilon).transpose(1, 2),
        )


class Pass(Protocol):
    """One forward pass, which a model's attention layers use instead of a cache."""

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        """[1, heads, tokens, head_dim] in, unrotated; [1, tokens, heads, head_dim] out.

        `norms`: how queries and keys are normalised first.
        """
        ...


class Joined(Protocol):
    """Several rows that are read at once."""

    def attend(self, layer: int, rotated: tuple[Tensor, Tensor], value: Tensor) -> Tensor:
        """[heads, tokens of all rows, head_dim] from what all rows have, one after the other."""
        ...


class ReadingRow(ABC):
    """A row that only reads a memory. If a pass has no other rows, all are rotated at once.

    `tables`: cos and sin of its positions (`Rotary.tables`).
    """

    tables: tuple[Tensor, Tensor]

    @property
    @abstractmethod
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As every row does."""
        rotated = rotate(query, self.tables, scale=scale), rotate(key, self.tables)
        return self.attend_rotated(layer, query, rotated, value)

    @abstractmethod
    def attend_rotated(
        self, layer: int, query: Tensor, rotated: tuple[Tensor, Tensor], value: Tensor
    ) -> Tensor:
        """As `attend`, with query and key already rotated, and the query scaled.

        `query`: as it came, neither rotated nor scaled.
        """

    @classmethod
    def all_tables(cls, rows: Sequence[Self]) -> tuple[Tensor, Tensor]:
        """Tables of rows of this type, one after the other."""
        return _one_after_another([row.tables for row in rows])

    @classmethod
    def joined(cls, rows: Sequence[Self]) -> Joined | None:
        """Rows of this type and of equally many tokens, to be read at once; None if each is read
        by itself.
        """
        return None


class AppendingRow(ABC):
    """A row that adds to a memory. If a pass has no other rows, all queries are rotated at once.

    `tables`: cos and sin of its positions (`Rotary.tables`).
    """

    tables: tuple[Tensor, Tensor]

    @property
    @abstractmethod
    def tokens(self) -> int:
        """How many tokens of the pass belong to this row."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As every row does."""
        return self.attend_rotated(layer, rotate(query, self.tables), key, value, scale)

    @abstractmethod
    def attend_rotated(
        self, layer: int, rotated: Tensor, key: Tensor, value: Tensor, scale: float
    ) -> Tensor:
        """As `attend`. `rotated`: the query, rotated already."""


class PackedPass:
    """A pass of several rows, in order, which attention layers use instead of a cache.

    `between` is called in each layer before its attention. It may run other
    passes of the same model, so that a long pass gives way to a short one.
    """

    def __init__(self, rows: Sequence[Row], between: Callable[[], None] | None = None) -> None:
        self.rows = tuple(rows)
        self.sizes = [row.tokens for row in self.rows]
        self._between = between
        reading = [row for row in self.rows if isinstance(row, ReadingRow)]
        self._reading = reading if 1 < len(reading) == len(self.rows) else None
        appending = [row for row in self.rows if isinstance(row, AppendingRow)]
        self._appending = appending if 1 < len(appending) == len(self.rows) else None
        if self._reading is not None:
            kind = type(self._reading[0])
            same = all(type(row) is kind for row in self._reading)
            self._tables = (kind if same else ReadingRow).all_tables(self._reading)
        elif self._appending is not None:
            self._tables = _one_after_another([row.tables for row in self._appending])
        self._joined = [] if self._reading is None else _joined(self._reading)

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        scale: float,
        norms: HeadNorms | None = None,
    ) -> Tensor:
        """[1, heads, tokens of all rows, head_dim] in, [1, tokens, heads, head_dim] out."""
        if norms is not None:
            query, key = norms.of(query, key)
        if query.shape[2] != sum(self.sizes):
            raise InvalidInput("inputs", f"{query.shape[2]} tokens for rows of {sum(self.sizes)}")
        if self._between is not None:
            self._between()
        if len(self.rows) == 1:
            out = self.rows[0].attend(layer, query[0], key[0], value[0], scale)
            return out.transpose(0, 1).unsqueeze(0)
        if self._reading is None:
            outs = self._each(layer, query[0], key[0], value[0], scale)
        else:
            turned = rotate(query[0], self._tables, scale=scale), rotate(key[0], self._tables)
            outs = self._read(self._reading, layer, query[0], turned, value[0])
        joined = outs[0] if len(outs) == 1 else torch.cat(list(outs), dim=1)
        return joined.transpose(0, 1).unsqueeze(0)

    def _each(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float
    ) -> Sequence[Tensor]:
        """The output of each row, where not all of them only read."""
        k, v = key.split(self.sizes, dim=1), value.split(self.sizes, dim=1)
        if self._appending is None:
            rows = zip(self.rows, query.split(self.sizes, dim=1), k, v, strict=True)
            return [row.attend(layer, own, a, b, scale) for row, own, a, b in rows]
        turned = rotate(query, self._tables).split(self.sizes, dim=1)
        adding = zip(self._appending, turned, k, v, strict=True)
        return [row.attend_rotated(layer, own, a, b, scale) for row, own, a, b in adding]

    def _read(
        self,
        rows: Sequence[ReadingRow],
        layer: int,
        query: Tensor,
        rotated: tuple[Tensor, Tensor],
        value: Tensor,
    ) -> Sequence[Tensor]:
        """The output of each row, or that of all rows in one."""
        if self._joined and len(self._joined[0][1]) == len(rows):
            return [self._joined[0][0].attend(layer, rotated, value)]
        q, v = query.split(self.sizes, dim=1), value.split(self.sizes, dim=1)
        turned = list(zip(*(part.split(self.sizes, dim=1) for part in rotated), strict=True))
        outs: dict[int, Tensor] = {}
        for together, places in self._joined:
            a, b, c = (
                torch.cat([parts[place] for place in places], dim=1)
                for parts in ([t[0] for t in turned], [t[1] for t in turned], v)
            )
            out = together.attend(layer, (a, b), c)
            outs |= zip(places, out.split(self.sizes[places[0]], dim=1), strict=True)
        for place, row in enumerate(rows):
            if place not in outs:
                outs[place] = row.attend_rotated(layer, q[place], turned[place], v[place])
        return [outs[place] for place in range(len(rows))]


def _one_after_another(tables: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    cos, sin = zip(*tables, strict=True)
    return torch.cat(cos), torch.cat(sin)


def _joined(rows: Sequence[ReadingRow]) -> list[tuple[Joined, list[int]]]:
    """Rows that are read at once, and which of all they are."""
    alike: dict[tuple[type[ReadingRow], int], list[int]] = {}
    for place, row in enumerate(rows):
        alike.setdefault((type(row), row.tokens), []).append(place)
    found = []
    for (kind, _), places in alike.items():
        if len(places) > 1:
            together = kind.joined([rows[place] for place in places])
            if together is not None:
                found.append((together, places))
    return found


def tail_mask(queries: int, length: int, device: torch.device) -> Tensor | None:
    """[queries, length] bool: a causal mask, where the last `queries` keys are the queries' own.

    None if it would hide nothing.
    """
    if queries == 1:
        return None
    mask = torch.ones((queries, length), dtype=torch.bool, device=device)
    return mask.tril_(length - queries)


def folded_mask(mask: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
    """`mask` as it is added to the scores of `grouped_attention`. Make it once for all layers."""
    added = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return added.masked_fill_(~mask, float("-inf")).repeat(groups, 1)


def grouped_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """softmax(q k^T) v for grouped heads: [heads, q, d] over [kv_heads, n, d].

    The queries of a group are folded into one long row against their shared
    key head, so that no key is ever copied per query head. `mask`: as
    `folded_mask` makes it.
    """
    heads, queries, dim = query.shape
    kv_heads = key.shape[0]
    groups = heads // kv_heads
    folded = query.reshape(1, kv_heads, groups * queries, dim)
    out = functional.scaled_dot_product_attention(
        folded, key.unsqueeze(0), value.unsqueeze(0), attn_mask=mask, scale=scale
    )
    return out.reshape(heads, queries, dim)


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """As `grouped_attention`, where the queries are the last of the keys and attend causally.

    Needs no mask where the device has a flash kernel.
    """
    from torch.nn.attention.bias import causal_lower_right  # imports all of torch.compile

    causal = causal_lower_right(query.shape[1], key.shape[1])
    out = functional.scaled_dot_product_attention(
        query[None], key[None], value[None], attn_mask=causal, scale=scale, enable_gqa=True
    )
    return out[0]


def split_attention(
    query: Tensor,
    memory: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    mask: Tensor | None,
) -> Tensor:
    """As `grouped_attention`, over two separate tensors: a shared memory and a row's own tokens.

    `query` is scaled already. `mask` [q, own tokens] is for the row's own tokens; all of the
    memory is seen. The softmax is fp32. On a CPU so are the products, which takes less time
    there than 16 bits do, and rounds less.
    """
    heads, queries, dim = query.shape
    kv_heads, seen = memory[0].shape[:2]
    groups = heads // kv_heads
    wide = torch.float32 if query.device.type == "cpu" else query.dtype
    folded = query.reshape(kv_heads, groups * queries, dim).to(wide)
    far = torch.matmul(folded, memory[0].mT.to(wide)).to(torch.float32)
    near = torch.matmul(folded, own[0].mT.to(wide)).to(torch.float32)
    if mask is not None:
        near = near.masked_fill(~mask.repeat(groups, 1), float("-inf"))
    weights = torch.softmax(torch.cat((far, near), dim=-1), dim=-1).to(wide)
    out = torch.matmul(weights[..., :seen], memory[1].to(wide))
    out += torch.matmul(weights[..., seen:], own[1].to(wide))
    return out.to(query.dtype).reshape(heads, queries, dim)
