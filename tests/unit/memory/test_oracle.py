"""The published method, written a second time in plain numbers, keeps the same tokens.

The oracle shares no code with `hermes.memory`: it has its own cache of rotated keys, its own
attention, scores, selection and summaries, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hermes.memory import (
    POLICIES,
    CacheShape,
    EmbeddingsRow,
    FrameLayout,
    FrameStamp,
    MemoryConfig,
    Projections,
    Rotary,
    StreamMemory,
)

torch.set_num_threads(1)  # a second thread beside another process is slower than none

LAYERS, KV_HEADS, HEADS, DIM = 10, 2, 4, 8
PREFIX, PER_FRAME, EVERY = 2, 4, 4
PROMPTS = (3, 5)  # tokens of the global and of the mixed prompt
SCALE = DIM**-0.5
FREQUENCIES = np.array([1.0, 0.5, 0.1, 0.02])

Numbers = NDArray[np.float64]


@dataclass
class Token:
    """A cached token, as the authors cache it: with its key rotated."""

    name: tuple[int, int]
    key: Numbers
    value: Numbers
    position: int


def turned(vectors: Numbers, position: int) -> Numbers:
    """[..., DIM] rotated by `position`, as complex numbers."""
    half = DIM // 2
    together = vectors[..., :half] + 1j * vectors[..., half:]
    together = together * np.exp(1j * position * FREQUENCIES)
    return np.concatenate((together.real, together.imag), -1)


class Oracle:
    """One stream of the paper, or of the authors' code (`code`)."""

    def __init__(self, budget: int, *, code: bool) -> None:
        self.budget, self.code = budget, code
        self.layers: list[list[Token]] = [[] for _ in range(LAYERS)]
        self.prefix: list[list[Token]] = [[] for _ in range(LAYERS)]
        self.clock = 0

    def add(self, names: list[tuple[int, int]], keys: Numbers, values: Numbers) -> None:
        """[LAYERS, KV_HEADS, n, DIM]: the next tokens."""
        for layer in range(LAYERS):
            for n, name in enumerate(names):
                at = self.clock + n
                token = Token(name, turned(keys[layer, :, n], at), values[layer, :, n], at)
                (self.prefix if name[0] < 0 else self.layers)[layer].append(token)
        self.clock += len(names)

    def attention(self, layer: int, queries: Numbers, keys: Numbers) -> Numbers:
        """What a prompt's [HEADS, m, DIM] queries give each video token, on average."""
        tokens = [*self.prefix[layer], *self.layers[layer]]
        count = queries.shape[1]
        turn = range(self.clock, self.clock + count)
        own = [turned(keys[:, n], at) for n, at in enumerate(turn)]
        asked = np.stack([turned(queries[:, n], at) for n, at in enumerate(turn)], 1)
        every = np.stack([*(token.key for token in tokens), *own], 1)
        logits = SCALE * asked @ np.repeat(every, HEADS // KV_HEADS, 0).transpose(0, 2, 1)
        if not self.code:  # which has no causal mask
            logits[..., len(tokens) :][:, np.triu(np.ones((count, count), bool), 1)] = -np.inf
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        shares: Numbers = (weights / weights.sum(-1, keepdims=True)).mean((0, 1))
        return shares[PREFIX : len(tokens)]

    def scores(self, attention: Numbers) -> list[Numbers]:
        """`attention` [2, LAYERS, n]: of the global and of the mixed prompt."""
        count = attention.shape[2]
        distance = (count - 1 - np.arange(count)) / max(1, count - 1)
        first, deep = int(0.1 * LAYERS + 1e-9), int(0.7 * LAYERS + 1e-9)
        found = []
        for layer in range(LAYERS):
            if layer < first:
                found.append(self.scaled(np.exp(-20 * distance)))
            elif layer >= deep:
                found.append(self.scaled(attention[0, layer]))
            else:
                done = (layer - first) / (deep - first)
                weight = 1 - 0.9 * done if self.code else 0.75 - 0.6 * done
                recent = self.scaled(np.exp(-(20 - 19.5 * done) * distance))
                attended = self.scaled(attention[1, layer])
                found.append((1 - weight) * attended + weight * recent)
        for layer in range(LAYERS - 2, -1, -1):
            g = 0.1 if layer < first else 0.3 if layer < deep else 0.4
            found[layer] = (1 - g) * found[layer] + g * found[layer + 1]
        return found

    def scaled(self, values: Numbers) -> Numbers:
        span = values.max() - values.min()
        scaled: Numbers = (values - values.min()) / (span + 1e-6 if self.code else span)
        return scaled

    def compress(self, attention: Numbers) -> None:
        scores, deep = self.scores(attention), int(0.7 * LAYERS + 1e-9)
        for layer in range(LAYERS):
            tokens, own = self.layers[layer], scores[layer].copy()
            room = self.budget - (layer >= deep)
            if not self.code:  # the paper's one summary is always averaged again
                own[[n for n, token in enumerate(tokens) if token.name[1] < 0]] = -np.inf
            best = sorted(sorted(range(len(tokens)), key=lambda n: -own[n])[:room])
            left = [token for n, token in enumerate(tokens) if n not in set(best)]
            self.layers[layer] = [tokens[n] for n in best]
            if layer >= deep:
                moved = [turned(token.key, self.clock - token.position) for token in left]
                key = np.mean(moved, axis=0)
                value = np.mean([token.value for token in left], axis=0)
                self.layers[layer].append(Token((left[-1].name[0], -1), key, value, self.clock))
        self.clock += 1


def run(preset: str, seed: int, rounds: int = 4) -> str | None:
    """One stream through both. What differs, or None."""
    rng = np.random.default_rng(seed)
    budget = int(rng.integers(12, 24))
    code = preset == "hermes-published-code"
    oracle = Oracle(budget, code=code)
    shape = CacheShape(LAYERS, KV_HEADS, DIM, 1, torch.float32, torch.device("cpu"))
    turns = torch.tensor(FREQUENCIES, dtype=torch.float32).repeat(2)
    rotary = Rotary(turns, torch.zeros(DIM, dtype=torch.int64))
    limits = MemoryConfig(budget, EVERY * PER_FRAME, 4096, 16, "lazy")
    memory = StreamMemory(shape, rotary, limits, POLICIES[preset]())

    def noise(heads: int, tokens: int) -> Numbers:
        return rng.standard_normal((LAYERS, heads, tokens, DIM))

    def taken(row: object, keys: Numbers, values: Numbers, queries: Numbers) -> None:
        parts = [torch.tensor(part, dtype=torch.float32) for part in (queries, keys, values)]
        for layer in range(LAYERS):
            row.attend(layer, *(part[layer] for part in parts), SCALE)  # type: ignore[attr-defined]

    keys, values = noise(KV_HEADS, PREFIX), noise(KV_HEADS, PREFIX)
    row = memory.begin_prefix(PREFIX)
    taken(row, keys, values, noise(HEADS, PREFIX))
    memory.commit(row)
    oracle.add([(-1, n) for n in range(PREFIX)], keys, values)
    layout, frame = FrameLayout.sequential(PER_FRAME), 0
    prompts = [(noise(HEADS, n), noise(KV_HEADS, n)) for n in PROMPTS]
    for _ in range(rounds):
        count = int(rng.integers(1, EVERY + 1))
        tokens = count * PER_FRAME
        keys, values = noise(KV_HEADS, tokens), noise(KV_HEADS, tokens)
        row = memory.begin_frames([FrameStamp(frame + n) for n in range(count)], layout)
        taken(row, keys, values, noise(HEADS, tokens))
        names = [(frame + n, patch) for n in range(count) for patch in range(PER_FRAME)]
        oracle.add(names, keys, values)
        frame += count
        if memory.over_budget_with > 0:
            projected = [Projections(*(torch.tensor(p).float() for p in pair)) for pair in prompts]
            guides = memory.guide(PROMPTS, projected if code else ())
            for guide, (queries, own) in zip(guides, prompts, strict=True):
                assert isinstance(guide, EmbeddingsRow) == code
                taken(guide, own, own, queries)
        memory.commit(row)
        if memory.compress() is not None:
            attention = np.array(
                [
                    [oracle.attention(layer, q[layer], k[layer]) for layer in range(LAYERS)]
                    for q, k in prompts
                ]
            )
            oracle.compress(attention)
        if found := difference(memory, oracle, rotary):
            return found
    return None


def difference(memory: StreamMemory, oracle: Oracle, rotary: Rotary) -> str | None:
    frames, patches = memory.identities()
    slab, video = memory.held.slab, memory.held.video
    for layer in range(LAYERS):
        ours = list(zip(frames[layer].tolist(), patches[layer].tolist(), strict=True))
        theirs = [token.name for token in oracle.layers[layer]]
        if ours != theirs:
            return f"layer {layer} keeps {ours}, not {theirs}"
        positions = slab.positions[layer, 0, video].tolist()
        if positions != [token.position for token in oracle.layers[layer]]:
            return f"layer {layer} has them at {positions}"
        rotated = slab.rotated_keys(layer, slab.length, rotary)[:, video].numpy()
        kept = np.stack([token.key for token in oracle.layers[layer]], 1)
        values = np.stack([token.value for token in oracle.layers[layer]], 1)
        if np.abs(rotated - kept).max() > 1e-4:
            return f"layer {layer} has other keys"
        if np.abs(slab.values[layer, :, video].numpy() - values).max() > 1e-5:
            return f"layer {layer} has other values"
    return None


PRESETS = ("hermes-paper", "hermes-published-code")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_oracle_agrees(preset: str) -> None:
    assert [run(preset, seed) for seed in range(6)] == [None] * 6


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 240, 40))
@pytest.mark.parametrize("preset", PRESETS)
def test_the_oracle_agrees_on_480_longer_streams(preset: str, first: int) -> None:
    assert [run(preset, seed, rounds=7) for seed in range(first, first + 40)] == [None] * 40


def test_the_oracle_tells_the_presets_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would see a difference if there were one."""
    monkeypatch.setitem(POLICIES, "hermes-published-code", POLICIES["hermes-paper"])
    assert any(run("hermes-published-code", seed) for seed in range(6))
