"""Each formula against a plain loop over numbers, written a second time."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.memory import PAPER, PUBLISHED_CODE, Bands, HermesConfig
from hermes.memory.agreement import agreed
from hermes.memory.scores import (
    layer_scores,
    normalised,
    recency,
    recency_weight,
    smooth,
    top,
    working_decay,
)
from hermes.memory.summary import SUMMARY_PATCH
from tests.support.examples import at_most

LAYERS = 10  # bands: 1 sensory, 6 working, 3 long-term


def slow_recency(count: int, decay: float) -> list[float]:
    return [
        math.exp(-decay * ((count - 1 - i) / (count - 1) if count > 1 else 0.0))
        for i in range(count)
    ]


def slow_minmax(values: list[float], added: float = 0.0) -> list[float]:
    """`added`: to the span, by the authors' code."""
    low, high = min(values), max(values)
    return [(v - low) / (high - low + added) if high > low else 0.0 for v in values]


def slow_scores(attention: torch.Tensor, config: HermesConfig) -> list[list[float]]:
    """The blend of section 3, layer by layer, with min-max."""
    count = attention.shape[-1]
    first, deep = math.floor(0.1 * LAYERS), math.floor(0.7 * LAYERS)
    added = 1e-6 if config.normalise == "minmax_epsilon" else 0.0
    rows = []
    for layer in range(LAYERS):
        if layer < first:
            rows.append(slow_minmax(slow_recency(count, 20.0), added))
        elif layer >= deep:
            rows.append(slow_minmax(attention[0, layer].tolist(), added))
        else:
            progress = (layer - first) / (deep - first)
            weight = 0.75 - 0.6 * progress if config.weights == "paper" else 1 - 0.9 * progress
            recent = slow_minmax(slow_recency(count, 20.0 - 19.5 * progress), added)
            attended = slow_minmax(attention[1, layer].tolist(), added)
            rows.append(
                [(1 - weight) * a + weight * r for a, r in zip(attended, recent, strict=True)]
            )
    return rows


def share(layer: int) -> float:
    return 0.1 if layer < 1 else 0.3 if layer < 7 else 0.4


def random_attention(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((2, LAYERS, count), generator=generator) ** 4


@pytest.mark.parametrize("config", [PAPER, PUBLISHED_CODE], ids=["paper", "published_code"])
@pytest.mark.parametrize("count", [1, 2, 37])
def test_the_blend_of_every_band(config: HermesConfig, count: int) -> None:
    attention = random_attention(count)
    found = layer_scores(attention, Bands.of(LAYERS), config)
    assert torch.allclose(found, torch.tensor(slow_scores(attention, config)), atol=1e-5)


def test_the_papers_weights_at_28_layers() -> None:
    bands = Bands.of(28)
    assert recency_weight(2, bands, "paper") == 0.75
    assert recency_weight(18, bands, "paper") == pytest.approx(0.75 - 0.6 * 16 / 17)
    assert recency_weight(2, bands, "published_code") == 1.0
    assert working_decay(2, bands) == 20.0
    assert working_decay(18, bands) == pytest.approx(20 - 19.5 * 16 / 17)


@pytest.mark.parametrize("config", [PAPER, PUBLISHED_CODE], ids=["paper", "published_code"])
def test_smoothing_by_index(config: HermesConfig) -> None:
    attention, bands = random_attention(23), Bands.of(LAYERS)
    scores = layer_scores(attention, bands, config)
    frames = torch.zeros((LAYERS, 23), dtype=torch.int64)
    found = smooth(scores, frames, frames.int(), bands, config)
    expected = [row[:] for row in scores.tolist()]
    for layer in range(LAYERS - 2, -1, -1):
        g = share(layer)
        expected[layer] = [
            (1 - g) * own + g * deeper
            for own, deeper in zip(scores[layer].tolist(), expected[layer + 1], strict=True)
        ]
    assert torch.allclose(found, torch.tensor(expected), atol=1e-6)


Held = list[list[tuple[int, int]]]


def different_layers(count: int, generator: torch.Generator, first_patch: int = 0) -> Held:
    """(frame, patch) by layer: each holds `count` others of the same 24."""
    pool = [(frame, patch + first_patch) for frame in range(6) for patch in range(4)]
    return [
        sorted(pool[i] for i in torch.randperm(24, generator=generator)[:count].tolist())
        for _ in range(LAYERS)
    ]


def tensors(held: Held) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames and patches: [LAYERS, n] each."""
    frames = torch.tensor([[frame for frame, _ in row] for row in held])
    patches = torch.tensor([[patch for _, patch in row] for row in held], dtype=torch.int32)
    return frames, patches


@settings(max_examples=at_most(30), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_smoothing_by_identity(seed: int) -> None:
    """Every layer holds other tokens; only the same (frame, patch) passes its score on."""
    generator = torch.Generator().manual_seed(seed)
    count, bands = 12, Bands.of(LAYERS)
    held = different_layers(count, generator)
    frames, patches = tensors(held)
    scores = torch.rand((LAYERS, count), generator=generator)
    found = smooth(scores, frames, patches, bands, HermesConfig(smoothing="identity"))
    deeper: dict[tuple[int, int], float] = {}
    for layer in range(LAYERS - 1, -1, -1):
        g, current = share(layer), {}
        for index, identity in enumerate(held[layer]):
            own = float(scores[layer, index])
            if identity in deeper:
                own = (1 - g) * own + g * deeper[identity]
            current[identity] = own
            assert float(found[layer, index]) == pytest.approx(own, abs=1e-6)
        deeper = current


@settings(max_examples=at_most(30), deadline=None)
@given(seed=st.integers(0, 10_000), part=st.sampled_from([0.25, 0.5, 1.0]))
def test_agreement(seed: int, part: float) -> None:
    """The mean over the layers that hold a token; not of summaries, nor in the sensory band."""
    generator = torch.Generator().manual_seed(seed)
    held = different_layers(12, generator, first_patch=SUMMARY_PATCH)
    scores = torch.rand((LAYERS, 12), generator=generator)
    found = agreed(scores, *tensors(held), Bands.of(LAYERS), part)
    assert torch.equal(found[0], scores[0])
    for layer in range(1, LAYERS):
        for index, token in enumerate(held[layer]):
            own = float(scores[layer, index])
            others = [
                float(scores[other, held[other].index(token)])
                for other in range(1, LAYERS)
                if token in held[other]
            ]
            if token[1] != SUMMARY_PATCH:
                own = (1 - part) * own + part * sum(others) / len(others)
            assert float(found[layer, index]) == pytest.approx(own, abs=1e-6)


def test_index_and_identity_agree_while_all_layers_hold_the_same() -> None:
    attention, bands = random_attention(16, seed=3), Bands.of(LAYERS)
    frames = torch.arange(4).repeat_interleave(4).expand(LAYERS, 16)
    patches = torch.arange(4, dtype=torch.int32).repeat(4).expand(LAYERS, 16)
    scores = layer_scores(attention, bands, PAPER)
    by_index = smooth(scores, frames, patches, bands, PAPER)
    by_identity = smooth(scores, frames, patches, bands, HermesConfig())
    assert torch.allclose(by_index, by_identity)


def test_no_smoothing() -> None:
    scores, bands = torch.rand((LAYERS, 5)), Bands.of(LAYERS)
    frames = torch.zeros((LAYERS, 5), dtype=torch.int64)
    config = HermesConfig(smoothing="off")
    assert torch.equal(smooth(scores, frames, frames.int(), bands, config), scores)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_ranks_do_not_care_for_outliers(values: list[float]) -> None:
    tensor = torch.tensor(values, dtype=torch.float32)
    ranks = normalised(tensor, "rank")
    count = len(values)
    order = sorted(range(count), key=lambda i: (float(tensor[i]), i))  # of equals, the newer higher
    for place, index in enumerate(order):
        assert float(ranks[index]) == pytest.approx(place / max(1, count - 1))
    assert torch.equal(normalised(tensor * 3, "rank"), ranks)


def test_minmax_of_a_constant_is_zero() -> None:
    assert torch.equal(normalised(torch.full((4,), 7.0), "minmax"), torch.zeros(4))
    assert torch.equal(normalised(torch.full((4,), 7.0), "minmax_epsilon"), torch.zeros(4))


def test_the_epsilon_of_the_authors_code_weighs_where_attention_is_thin() -> None:
    """Weights of thousands of tokens differ by less than it."""
    thin = torch.tensor([0.0, 1e-6, 3e-6])
    assert normalised(thin, "minmax").tolist() == pytest.approx([0, 1 / 3, 1])
    assert normalised(thin, "minmax_epsilon").tolist() == pytest.approx([0, 1 / 4, 3 / 4])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_top_is_in_stream_order_and_ties_go_to_the_newer(
    values: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(values)))
    chosen = top(torch.tensor(values, dtype=torch.float32), count).tolist()
    best = sorted(range(len(values)), key=lambda i: (values[i], i), reverse=True)[:count]
    assert chosen == sorted(best)


def test_recency_is_one_for_the_newest() -> None:
    found = recency(5, 20.0, torch.device("cpu"))
    assert float(found[-1]) == 1.0
    assert float(found[0]) == pytest.approx(math.exp(-20))


@pytest.mark.parametrize(
    "bad",
    [
        {"weights": "guess"},
        {"smoothing": "yes"},
        {"normalise": "softmax"},
        {"summary": "long"},
        {"guidance": "none"},
        {"summary_ring": 0},
        {"recent_frames": -1},
    ],
)
def test_settings_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        HermesConfig(**bad)  # type: ignore[arg-type]
    assert refused.value.field == next(iter(bad))
