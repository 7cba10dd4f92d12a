"""Pixels as the stock processors make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hermes.errors import Unsupported
from hermes.vlm.preprocess import PatchSettings, PixelSettings, patchify, to_pixels
from tests.support import tiny_qwen

SETTINGS: dict[str, Any] = {
    "size": {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280},
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def checkpoint(folder: Path, **changes: object) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps({**SETTINGS, **changes}))
    return folder


@pytest.mark.parametrize(("size", "levels"), [((168, 252), 0), ((300, 480), 1)])
def test_patches_are_the_stock_processors(
    tmp_path: Path, size: tuple[int, int], levels: int
) -> None:
    """A still, shown twice, is what the processor for pictures makes of a picture.

    Where it is resized, Pillow rounds otherwise here and there, by a grey level.
    """
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
    settings = {**SETTINGS, "size": {"shortest_edge": 3136, "longest_edge": 60_000}}
    stock = Qwen2VLImageProcessorPil(**settings)(
        images=[picture.permute(1, 2, 0).numpy()], return_tensors="pt"
    )
    rows, columns = stock["image_grid_thw"][0, 1:].tolist()
    folder = checkpoint(tmp_path)
    pixels = PixelSettings.from_checkpoint(folder, (rows * 14, columns * 14))
    patches = PatchSettings.from_checkpoint(folder)
    ours = patchify(to_pixels(picture.expand(2, -1, -1, -1), pixels, torch.float32), patches)
    assert ours.shape == stock["pixel_values"].shape
    apart = (ours - stock["pixel_values"]).abs()
    assert float(apart.max()) <= levels / 255 / min(pixels.std) + 1e-6
    assert float((apart > 1e-6).float().mean()) <= levels * 0.01


@pytest.mark.parametrize("family", tiny_qwen.FAMILIES)
def test_patches_are_ordered_as_the_tower_reads_them(family: str) -> None:
    model = tiny_qwen.model(family)
    side, (height, width) = model.patches.side, model.frame_size
    pictures = torch.arange(2 * 2 * 3 * height * width).float().view(4, 3, height, width)
    found = patchify(pictures, model.patches).numpy()
    expected = [
        np.concatenate(
            [
                pictures[frame + time, channel, y : y + side, x : x + side].flatten()
                for channel in range(3)
                for time in range(2)
            ]
        )
        for frame in (0, 2)
        for token_y in range(0, height, 2 * side)
        for token_x in range(0, width, 2 * side)
        for y in (token_y, token_y + side)
        for x in (token_x, token_x + side)
    ]
    assert np.array_equal(found, np.stack(expected))


@pytest.mark.parametrize(
    ("least", "most", "size"),
    [
        (3136, 12_845_056, (252, 448)),  # 16:9, 144 tokens
        (3136, 252 * 448, (252, 448)),
        (3136, 60_000, (168, 308)),
        (400_000, 12_845_056, (476, 868)),
        (1, 1, (28, 28)),
    ],
)
def test_the_size_of_frames_is_chosen_within_the_limits(
    tmp_path: Path, least: int, most: int, size: tuple[int, int]
) -> None:
    folder = checkpoint(tmp_path, size={"shortest_edge": least, "longest_edge": most})
    patches = PatchSettings.from_checkpoint(folder)
    assert patches.default_size() == size
    assert most < patches.unit**2 or least <= size[0] * size[1] <= most


def test_older_names_and_newer_files_are_read(tmp_path: Path) -> None:
    older = {**SETTINGS, "min_pixels": 3136, "max_pixels": 50_000}
    del older["size"]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(older))
    assert PatchSettings.from_checkpoint(tmp_path).max_pixels == 50_000
    newer = {"video_processor": {**SETTINGS, "fps": 1.0}, "image_processor": SETTINGS}
    (tmp_path / "processor_config.json").write_text(json.dumps(newer))
    assert PatchSettings.from_checkpoint(tmp_path).frames_per_second == 1.0
    assert PixelSettings.from_checkpoint(tmp_path).height == 252


@pytest.mark.parametrize("name", ["patch_size", "merge_size", "temporal_patch_size"])
@pytest.mark.parametrize("value", [0, "many", None])
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, name: str, value: object) -> None:
    folder = checkpoint(tmp_path, **{name: value})
    with pytest.raises(Unsupported, match=r"preprocessor_config\.json does not say"):
        PatchSettings.from_checkpoint(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_mean": ["grey"] * 3},
        {"image_mean": [0.5]},
        {"image_std": [0.5, 0, 0.5]},
        {"rescale_factor": [1]},
        {"resample": 0},
        {"do_resize": False},
    ],
)
def test_pixels_that_are_made_in_another_way_are_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unsupported, match=r"preprocessor_config\.json"):
        PixelSettings.from_checkpoint(checkpoint(tmp_path, **changes))


def test_steps_that_are_switched_off_are_left_out(tmp_path: Path) -> None:
    found = PixelSettings.from_checkpoint(
        checkpoint(tmp_path, do_normalize=False, do_rescale=False, resample=3)
    )
    assert (found.mean, found.std, found.scale) == ((0, 0, 0), (1, 1, 1), 1)


def test_of_several_files_the_one_counts_that_transformers_reads(tmp_path: Path) -> None:
    def settings(most: int) -> dict[str, Any]:
        return {**SETTINGS, "size": {"shortest_edge": 3136, "longest_edge": most}}

    nested = {"video_processor": settings(40_000), "image_processor": settings(10_000)}
    files = {
        "processor_config.json": {"image_processor": settings(10_000)},
        "preprocessor_config.json": settings(20_000),
        "video_preprocessor_config.json": settings(30_000),
    }
    found = []
    for name, content in [*files.items(), ("processor_config.json", nested)]:
        (tmp_path / name).write_text(json.dumps(content))
        found.append(PatchSettings.from_checkpoint(tmp_path).max_pixels)
    assert found == [10_000, 20_000, 30_000, 40_000]
