"""Tiny models as deep as real ones, on a device that only pretends, for counting launches."""

from __future__ import annotations

import functools

import torch

from hermes.vlm import VideoModel
from hermes.vlm.loading import family_of
from hermes.vlm.model_folder import ModelFolder
from hermes.vlm.weights import read_config, read_model, read_tokenizer
from tests.support import tiny_hub
from tests.support.pretend_device import moved, pretending

LAYERS = 28


@functools.cache
def model(family: str, layers: int = LAYERS) -> VideoModel:
    """A model whose weights say that they are on CUDA. Shared: tests must not change it."""
    folder = ModelFolder.find(str(tiny_hub.folder(family, layers)), None)
    config = read_config(folder)
    with pretending():
        read = moved(read_model(folder, config, torch.device("cpu"), torch.float32))
        return family_of(folder)(read, read_tokenizer(folder), folder.path, family)
