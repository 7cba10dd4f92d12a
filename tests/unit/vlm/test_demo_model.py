"""The model that comes with the package is called `demo`, wherever it is named."""

from __future__ import annotations

import pytest
import torch

from hermes.demo.checkpoint import WEIGHTS
from hermes.vlm import VideoMemory, VideoModel, load
from tests.support import tiny


@pytest.fixture(scope="module")
def model() -> VideoModel:
    return load("demo")


def memory_of(model: VideoModel) -> VideoMemory:
    """A memory of four frames."""
    memory = VideoMemory(model, budget=192, compress_every_frames=4)
    memory.feed(tiny.pictures(4))
    return memory


def test_it_is_loaded_by_its_name_and_has_it(model: VideoModel) -> None:
    assert model.name == "demo"
    assert model.frame_size == (64, 64)
    assert memory_of(model).ask("Is it day or night?") in ("day", "night")


def test_its_folder_is_the_same_model() -> None:
    assert load(WEIGHTS).name == "demo"
    assert load(str(WEIGHTS)).name == "demo"


def test_snapshots_of_earlier_versions_are_restored(model: VideoModel) -> None:
    """There the model is named by its folder."""
    state = memory_of(model).state()
    assert state.header["video"]["model"]["name"] == "weights"
    again = VideoMemory(model, budget=192, compress_every_frames=4)
    again.restore(state)
    assert torch.equal(again.state().tensors["keys"], state.tensors["keys"])
