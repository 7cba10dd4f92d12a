"""The present picture: the newest token of every place, in every layer."""

from __future__ import annotations

import torch
from torch import Tensor

from hermes.memory.frame_layout import CHANGES_APART, FIRST_TEXT, PLACES
from hermes.memory.slab import STANDS


def next_of_place(patches: Tensor) -> Tensor:
    """[L, n] int64: the index of the next token with the same patch number, in stream order.

    n where there is none: the token is the newest of its place. `patches`: [L, n].
    """
    layers, count = patches.shape
    order = torch.argsort(patches, dim=-1, stable=True)  # by patch, then in stream order
    ordered = patches.gather(-1, order)
    end = torch.full((layers, 1), count, dtype=torch.int64, device=patches.device)
    after = torch.cat((order[:, 1:], end), dim=1)
    same = torch.cat(
        (ordered[:, 1:] == ordered[:, :-1], torch.zeros_like(end, dtype=torch.bool)), 1
    )
    following = torch.where(same, after, count)
    return torch.empty_like(following).scatter_(-1, order, following)


def newest_of_places(patches: Tensor, first: int) -> Tensor:
    """[L, n] bool: which tokens are the newest of their place.

    `first`: the least patch number of the present picture's places: older
    pictures of another size have smaller numbers, and are not the present. Text of
    frames is no part of a picture.
    """
    of_picture = (patches >= first) & (patches < first + FIRST_TEXT)
    return (next_of_place(patches) == patches.shape[-1]) & of_picture


def until(frames: Tensor, patches: Tensor, known: Tensor, changes: int) -> Tensor:
    """[L, n] int64: the frame in which each token's place was taken in anew; `STANDS` if in none.

    Only a picture has places that are taken in anew: summaries and texts have `STANDS`.

    `frames`, `patches`: the identity of all tokens that are held, in stream order.
    `known`: what was found before, when more were held. It is exact if this is found
    before each eviction. `changes`: how often the picture's sides have changed: after a
    change no place is the same, and no token stands any longer.
    """
    at = next_of_place(patches)
    following = frames.gather(-1, at.clamp_max(patches.shape[-1] - 1))
    found = torch.where(at < patches.shape[-1], following, STANDS).minimum(known)
    picture = (patches >= 0) & (patches % PLACES < FIRST_TEXT)
    if not changes:
        return torch.where(picture, found, STANDS)
    ago = (changes - patches.div(PLACES, rounding_mode="floor").to(torch.int64)) % CHANGES_APART
    numbers = torch.where(patches < 0, STANDS, frames)  # summaries begin nothing
    first = torch.full((len(frames), CHANGES_APART + 1), STANDS, device=frames.device)
    first[:, 1:].scatter_reduce_(1, ago, numbers, "amin")  # of each size, moved by one
    later = first.cummin(dim=1).values  # of all sizes that came after it
    return torch.where(picture, found.minimum(later.gather(1, ago)), STANDS)


def whole_from(frames: Tensor, patches: Tensor, kept: Tensor, seen: int, resized_at: int) -> Tensor:
    """The first frame from which on nothing of any picture is lost: a scalar int64 on the device.

    A token stands for its place from its own frame on, until the place's next
    token was taken in; to lose it is to lose that part of the picture in all
    frames of this time. A frame's text stands for that frame alone.

    `frames`, `patches`: [L, n], before an eviction. `kept`: [L, n] bool. `seen`:
    frames so far. `resized_at`: the first frame of the present size: no place of
    an earlier size lasted longer than that.
    """
    at = next_of_place(patches)
    numbers = frames.to(torch.int64)
    last = torch.where(numbers < resized_at, resized_at, seen)
    following = numbers.gather(-1, at.clamp_max(patches.shape[-1] - 1))
    until = torch.where(at < patches.shape[-1], following, last)
    until = torch.where(patches % PLACES >= FIRST_TEXT, numbers + 1, until)
    lost = ~kept & (patches >= 0)  # summaries stand for no picture
    return torch.where(lost, until, 0).amax()
