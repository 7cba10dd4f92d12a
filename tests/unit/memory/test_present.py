"""Which tokens show the present, and how far back pictures are whole."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from hermes.memory.frame_layout import FIRST_TEXT
from hermes.memory.present import newest_of_places, next_of_place, whole_from
from tests.support.examples import at_most


def test_the_next_token_of_a_place() -> None:
    patches = torch.tensor([[0, 1, 2, 1, 0, 1], [5, 5, 5, 0, 1, 2]])
    assert next_of_place(patches).tolist() == [[4, 3, 6, 5, 6, 6], [1, 2, 6, 6, 6, 6]]


def test_the_newest_token_of_every_place_shows_the_present() -> None:
    patches = torch.tensor([[0, 1, 2, 1, 0]])
    assert newest_of_places(patches, 0).tolist() == [[False, False, True, True, True]]


def test_summaries_and_pictures_of_another_size_do_not_show_the_present() -> None:
    patches = torch.tensor([[-1, 0, 1, 100, 101, -1]])
    shown = newest_of_places(patches, 100)
    assert shown.tolist() == [[False, False, False, True, True, False]]


def whole_by_hand(taken: list[set[int]], held: list[set[tuple[int, int]]], places: int) -> int:
    """The first frame from which on every layer holds what stands for every place."""
    first = len(taken)
    for number in reversed(range(len(taken))):
        for place in range(places):
            newest = max((n for n in range(number + 1) if place in taken[n]), default=None)
            if newest is not None and any((newest, place) not in layer for layer in held):
                return first
        first = number
    return first


@settings(max_examples=at_most(200), deadline=None)
@given(st.data())
def test_pictures_are_whole_from_where_all_that_stands_for_them_is_held(
    data: st.DataObject,
) -> None:
    """Held to a model of one line: several evictions, each of other tokens in each layer."""
    places, layers = 3, 2
    frames = data.draw(st.integers(1, 8))
    taken = [set(range(places))] + [
        data.draw(st.sets(st.integers(0, places - 1), min_size=1)) for _ in range(frames - 1)
    ]
    tokens = [(number, place) for number in range(frames) for place in sorted(taken[number])]
    held = [list(tokens) for _ in range(layers)]
    found = 0
    for _ in range(data.draw(st.integers(1, 3))):
        count = len(held[0])
        most = data.draw(st.integers(0, count - 1))
        kept = torch.zeros((layers, count), dtype=torch.bool)
        for layer in range(layers):
            staying = data.draw(st.permutations(range(count)))[: count - most]
            kept[layer, staying] = True
        numbers = torch.tensor([[number for number, _ in layer] for layer in held])
        patches = torch.tensor([[place for _, place in layer] for layer in held])
        found = max(found, int(whole_from(numbers, patches, kept, frames, 0)))
        held = [
            [token for token, stays in zip(layer, mask, strict=True) if stays]
            for layer, mask in zip(held, kept.tolist(), strict=True)
        ]
    assert found == whole_by_hand(taken, [set(layer) for layer in held], places)


def test_finding_them_never_waits_for_the_device() -> None:
    waited: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = str(func)
            if any(part in name for part in ("_local_scalar_dense", "nonzero", "unique")):
                waited.append(name)
            return func(*args, **(kwargs or {}))

    frames = torch.arange(4).repeat_interleave(4).expand(3, 16)
    patches = torch.arange(4, dtype=torch.int32).repeat(4).expand(3, 16)
    kept = torch.ones((3, 16), dtype=torch.bool)
    with Watch():  # type: ignore[no-untyped-call]
        newest_of_places(patches, 0)
        first = whole_from(frames, patches, kept, 4, 0)
    assert waited == []
    assert int(first) == 0


def test_a_frames_text_stands_for_that_frame_alone() -> None:
    frames = torch.tensor([[0, 0, 1, 2]])
    patches = torch.tensor([[FIRST_TEXT, 0, 0, 0]])
    kept = torch.tensor([[False, True, True, True]])
    assert int(whole_from(frames, patches, kept, 3, 0)) == 1
    assert newest_of_places(patches, 0).tolist() == [[False, False, False, True]]


def test_an_evicted_summary_takes_nothing_from_a_picture() -> None:
    frames, patches = torch.tensor([[0, 1, 1]]), torch.tensor([[-1, 0, 1]])
    kept = torch.tensor([[False, True, True]])
    assert int(whole_from(frames, patches, kept, 2, 0)) == 0


def test_a_place_of_an_earlier_size_lasts_until_the_picture_changed() -> None:
    frames = torch.tensor([[0, 0, 1, 1, 2, 2]])
    patches = torch.tensor([[0, 1, 0, 1, 100, 101]])
    kept = torch.tensor([[True, True, True, False, True, True]])
    assert int(whole_from(frames, patches, kept, 3, 2)) == 2
    kept = torch.tensor([[True, True, True, True, False, True]])
    assert int(whole_from(frames, patches, kept, 3, 2)) == 3
