"""Frames follow the shape of their pictures, as transformers' own processors do it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from hermes.errors import InvalidInput
from hermes.memory import FrameStamp
from hermes.vlm import Arrival, VideoMemory, load, take_together
from hermes.vlm.frame_sizes import FrameSizes
from hermes.vlm.preprocess import PatchSettings
from tests.support import tiny_hub, tiny_qwen
from tests.support.examples import at_most
from tests.support.slow import slow

PATCHES = PatchSettings(
    side=14, merge=2, pictures=2, min_pixels=3136, max_pixels=1_000_000, frames_per_second=2.0
)
SHAPES = [(480, 640), (360, 640), (640, 640), (640, 360), (1080, 1920), (50, 70)]

sides = st.integers(16, 4096)


@settings(max_examples=at_most(300), deadline=None)
@given(height=sides, width=sides, tokens=st.integers(4, 1275))
@example(height=1711, width=1711, tokens=4)
def test_sizes_are_those_of_smart_resize(height: int, width: int, tokens: int) -> None:
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(InvalidInput, match="times the other"):
            PATCHES.fitted((height, width), tokens)
        return
    found = PATCHES.fitted((height, width), tokens)
    rows, columns = found[0] // 28, found[1] // 28
    assert 0 < rows * columns <= tokens
    expected = smart_resize(
        height, width, factor=28, min_pixels=3136, max_pixels=min(1_000_000, tokens * 784)
    )
    # Beside tight limits `smart_resize` can round down to less than its own least.
    if 3136 <= expected[0] * expected[1] <= tokens * 784:
        assert found == expected


@settings(max_examples=at_most(300), deadline=None)
@given(
    size=st.tuples(st.integers(10, 2000), st.integers(10, 2000)),
    unit=st.sampled_from([16, 28, 32]),
    least=st.sampled_from([0, 1, 3136, 65_536, 100_352, 144 * 784]),
    span=st.sampled_from([0, 5000, 1_000_000, 25_000_000]),
    tokens=st.none() | st.integers(1, 400),
)
@example(size=(82, 82), unit=28, least=3136, span=0, tokens=4)  # rounds to under the least
def test_a_size_that_was_fitted_stays(
    size: tuple[int, int], unit: int, least: int, span: int, tokens: int | None
) -> None:
    """A snapshot keeps a picture that waits in the size of its frame. It is not resized again."""
    patches = PatchSettings(unit // 2, 2, 2, least, max(unit**2, least + span), 2.0)
    if tokens is not None and tokens * unit**2 < least:
        with pytest.raises(InvalidInput, match="have at least"):
            FrameSizes(patches, None, tokens)
        return
    sizes = FrameSizes(patches, None, tokens)
    assert sizes.fitted(sizes.largest) == sizes.largest
    fitted = sizes.fitted(size)
    assert sizes.fitted(fitted) == fitted
    assert 1 <= sizes.tokens(fitted) <= sizes.most_tokens
    assert fitted[0] * fitted[1] <= patches.max_pixels


@pytest.fixture(scope="module", params=slow(tiny_qwen.FAMILIES, "qwen3_vl_moe"))
def model(request: pytest.FixtureRequest) -> Any:
    return load(tiny_hub.folder(request.param))


def picture(size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)


def test_proportions_are_kept_within_the_bound(model: Any) -> None:
    for size in SHAPES[:-1]:  # of the last, four tokens are left
        height, width = model.fitted(size)
        assert 0.8 <= (width / height) / (size[1] / size[0]) <= 1.25
        layout = model.layout_of(size)
        assert layout.sides == (height // model.patches.unit, width // model.patches.unit)
        assert layout.tokens <= model.frame_tokens(size) <= model.most_frame_tokens
        features = model.encode(picture(size).expand(2, -1, -1, -1))
        assert [len(own) for own in features] == [layout.tokens]


def test_frames_of_many_shapes_share_a_pass(model: Any) -> None:
    """Each memory then holds what it would have held alone."""
    together, alone = (
        [VideoMemory(model, budget=4 * model.most_frame_tokens) for _ in SHAPES] for _ in range(2)
    )
    for at in range(5):
        stamp = FrameStamp(1000 * at)
        items = [
            Arrival(memory, picture(size, at), stamp)
            for memory, size in zip(together, SHAPES, strict=True)
        ]
        assert take_together(items) == [None] * len(SHAPES)
        for memory, size in zip(alone, SHAPES, strict=True):
            memory.take(picture(size, at), stamp)
    for one, other in zip(together, alone, strict=True):
        ours, theirs = one.state(), other.state()
        assert ours.header == theirs.header
        for name, tensor in ours.tensors.items():
            torch.testing.assert_close(tensor, theirs.tensors[name], rtol=1e-4, atol=1e-4)


def test_a_camera_may_change_its_shape(model: Any) -> None:
    memory = VideoMemory(model, budget=4 * model.most_frame_tokens, compress_every_frames=2)
    for at, size in enumerate([*SHAPES, *SHAPES[::-1]]):
        memory.take(picture(size, at), FrameStamp(1000 * at))
        memory.take(picture(size, at), FrameStamp(1000 * at + 500))
    memory.take(picture(SHAPES[0]), FrameStamp(90_000))
    memory.take(picture(SHAPES[3]), FrameStamp(91_000))  # a pair of two shapes
    assert memory.coverage().frames_seen == 13
    assert memory.coverage().whole_since_ms is not None
    assert memory.ask("Who is there?", 3) is not None


@pytest.mark.parametrize("tokens", [20, 300, 1000])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_the_bound_can_be_chosen(family: str, tokens: int) -> None:
    model: Any = load(tiny_hub.folder(family), frame_tokens=tokens)
    for size in [(1080, 1920), (1920, 1080), (1500, 1500)]:
        own = model.layout_of(size).sides
        assert 0.7 * tokens <= own[0] * own[1] <= tokens
    rows, columns = model.layout.sides
    assert rows * columns <= tokens


def test_what_cannot_be_chosen_is_refused() -> None:
    folder = tiny_hub.folder("qwen2_5_vl")
    with pytest.raises(InvalidInput, match="frame_tokens: 3: this checkpoint's frames have"):
        load(folder, frame_tokens=3)
    with pytest.raises(InvalidInput, match="beside a frame_size"):
        load(folder, frame_tokens=100, frame_size=(84, 112))
    with pytest.raises(InvalidInput, match="cannot be chosen for llava_onevision"):
        load(tiny_hub.folder("llava_onevision"), frame_tokens=100)


def test_a_picture_that_is_too_narrow_is_one_cameras_error(model: Any) -> None:
    one, other = (VideoMemory(model, budget=4 * model.most_frame_tokens) for _ in range(2))
    stamp = FrameStamp(0)
    bad = Arrival(one, torch.zeros((3, 2, 999), dtype=torch.uint8), stamp)
    refused, taken = take_together([bad, Arrival(other, picture((90, 90)), stamp)])
    assert isinstance(refused, InvalidInput)
    assert "more than 200 times" in str(refused)
    assert taken is None


def test_a_fixed_size_is_kept_for_all_shapes() -> None:
    model = tiny_qwen.model("qwen2_5_vl")
    assert {model.fitted(size) for size in SHAPES} == {tiny_qwen.frame_size("qwen2_5_vl")}
