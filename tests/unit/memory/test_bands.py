"""Bands are cut as the paper cuts them."""

from __future__ import annotations

from hermes.memory import Bands


def test_28_layers() -> None:
    bands = Bands.of(28)
    assert bands.sensory == range(2)
    assert bands.working == range(2, 19)
    assert bands.long_term == range(19, 28)


def test_every_layer_is_in_one_band() -> None:
    for layers in range(1, 100):
        members = [layer for _, band in Bands.of(layers).items() for layer in band]
        assert members == list(range(layers))
