"""A camera's picture as it is now: what of each frame is new, and the newest frames in full."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hermes.errors import InvalidInput, SnapshotCorrupt
from hermes.memory import FrameLayout, FrameStamp
from hermes.memory.changes import NOISE_FRAMES, Changes, Seen
from hermes.memory.coverage import NEWEST
from hermes.memory.header import Header
from hermes.vlm.encoded import EncodedFrame
from hermes.vlm.glance import Coming, Glance

MOST_PRESENT_FRAMES = NEWEST

PREFIX = "picture_"
"""What the names of the picture's tensors in a state begin with."""

_SEEN = ("reference", "newest", "noise", "taken_ms")
_FRAME = ("features", "offsets", "patches")
_LAYOUT = ("advance", "extent", "sides", "lead", "text_before")
_MOST_STEPS = 2**53
_MOST_POSITIONS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Changed:
    """Frames without what has not changed, for `LivePicture.took` once they are in memory.

    `shares`: of each frame, the share of its places that changed.
    """

    glance: Glance
    frames: list[EncodedFrame]
    shares: list[float]

    def first(self, count: int) -> Changed:
        """The first frames alone. The picture is as it was before them."""
        return self._part(slice(count))

    def after(self, count: int) -> Changed:
        """The other frames. They come once the first are in memory."""
        return self._part(slice(count, None))

    def _part(self, some: slice) -> Changed:
        return Changed(self.glance.part(some), self.frames[some], self.shares[some])


class LivePicture:
    """What was last taken in of each place of one camera's picture. Not thread-safe."""

    def __init__(
        self,
        changes: Changes,
        present_frames: int,
        *,
        dense: bool,
        seen: Seen | None = None,
        newest: Sequence[EncodedFrame] = (),
        all_taken: bool = True,
    ) -> None:
        """`present_frames`: how many of the newest frames are kept in full, for questions.
        `dense`: tokens that are taken in have positions that follow one another.
        The others: new, or as another picture was that had these.
        """
        if not 0 <= present_frames <= MOST_PRESENT_FRAMES:
            raise InvalidInput("present_frames", f"must be between 0 and {MOST_PRESENT_FRAMES}")
        self._changes = changes
        self._dense = dense
        self._present_frames = present_frames
        self._seen = seen
        self._newest = deque(newest, maxlen=present_frames)
        self._all_taken = all_taken

    @property
    def present(self) -> list[EncodedFrame]:
        """The newest frames in full, oldest first; none if memory has just taken the newest in
        whole. They come again, so no time passes before them.
        """
        if self._all_taken:
            return []
        return [replace(frame, layout=frame.layout.led_by(0)) for frame in self._newest]

    def coming(self, frames: Sequence[EncodedFrame], stamps: Sequence[FrameStamp]) -> Coming:
        """Frames that come next, in order, for `glances`. `took` alone changes the picture."""
        times_ms = tuple(stamp.capture_ms for stamp in stamps)
        return Coming(self._changes, self._seen, tuple(frames), times_ms)

    def changed(self, glance: Glance, numbers: Sequence[Sequence[float]]) -> Changed:
        """The frames without what has not changed. `numbers`: the glance's, on the host."""
        frames = [
            self._part(frame, look.taken, int(count))
            for frame, look, (count, *_) in zip(glance.frames, glance.looks, numbers, strict=True)
        ]
        return Changed(glance, frames, [share for _, share in numbers])

    def _part(self, frame: EncodedFrame, taken: Tensor, count: int) -> EncodedFrame:
        layout = frame.layout
        if count == len(taken):
            return frame
        every = torch.ones(layout.tokens, dtype=torch.bool, device=taken.device)
        every[layout.picture] = taken  # the frame's text stays: it says when it was
        # The first so many of a stable order: finding them asks nothing of the device.
        tokens = torch.argsort(~every, stable=True)[: layout.tokens - len(taken) + count]
        part = layout.part(tokens, dense=self._dense)
        return replace(frame, features=frame.features[tokens], layout=part)

    def took(self, changed: Changed) -> None:
        """The frames are in memory."""
        glance = changed.glance
        self._all_taken = changed.frames[-1] is glance.frames[-1]
        frames = [
            replace(frame, features=_alone(frame.features))
            for frame in glance.frames[-max(1, self._present_frames) :]
        ]
        self._newest.extend(frames)
        seen, newest = glance.looks[-1].seen, frames[-1]
        self._seen = replace(
            seen,
            reference=_alone(seen.reference),
            newest=newest.features[newest.layout.picture],
            noise=_alone(seen.noise),
            taken_ms=_alone(seen.taken_ms),
        )

    # -- copying and restoring -----------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """What a snapshot keeps of it, on the device. Nothing before the first frame."""
        seen = self._seen
        if seen is None:
            return {}
        found = {name: getattr(seen, name) for name in _SEEN}
        for number, frame in enumerate(self._newest):
            layout = frame.layout
            found[f"features_{number}"] = frame.features
            found[f"offsets_{number}"], found[f"patches_{number}"] = layout.offsets, layout.patches
        return {f"{PREFIX}{name}": tensor for name, tensor in found.items()}

    def header(self) -> dict[str, Any]:
        """The rest of what a snapshot keeps."""
        return {
            "steps": 0 if self._seen is None else self._seen.steps,
            "all_taken": self._all_taken,
            "frames": [
                {name: getattr(frame.layout, name) for name in _LAYOUT} for frame in self._newest
            ],
        }

    def restored(self, header: Header, tensors: Mapping[str, Tensor], like: Like) -> LivePicture:
        """A picture with the same settings, as it was when `tensors` and `header` were taken.

        Raises `SnapshotCorrupt`.
        """
        all_taken = header.flag("all_taken")
        steps = header.integer("steps", 0, _MOST_STEPS)
        frames = header.sections("frames", self._present_frames)
        found = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
        if not found:
            return LivePicture(self._changes, self._present_frames, dense=self._dense)
        wanted = {*_SEEN, *(f"{kind}_{n}" for kind in _FRAME for n in range(len(frames)))}
        if found.keys() != wanted:
            raise SnapshotCorrupt("the snapshot's present picture is not complete")
        places = len(found["taken_ms"])
        _check(found["reference"], like.dtype, (places, like.width))
        _check(found["newest"], like.dtype, (places, like.width))
        _check(found["noise"], torch.float32, (NOISE_FRAMES, places))
        _check(found["taken_ms"], torch.int64, (places,))
        if not 0 < places <= like.tokens:
            raise SnapshotCorrupt(f"the snapshot's picture has {places} places, which cannot be")
        return LivePicture(
            self._changes,
            self._present_frames,
            dense=self._dense,
            seen=Seen(**{name: found[name].to(like.device) for name in _SEEN}, steps=steps),
            newest=[_frame(part, found, number, like) for number, part in enumerate(frames)],
            all_taken=all_taken,
        )


@dataclass(frozen=True, slots=True)
class Like:
    """What the model's features are like: their type and place, columns, and tokens of a frame."""

    dtype: torch.dtype
    device: torch.device
    width: int
    tokens: int
    axes: int


def _frame(part: Header, found: Mapping[str, Tensor], number: int, like: Like) -> EncodedFrame:
    features, offsets, patches = (found[f"{kind}_{number}"] for kind in _FRAME)
    tokens = len(patches)
    if not 0 < tokens <= like.tokens:
        raise SnapshotCorrupt(f"a frame of the snapshot has {tokens} tokens, which cannot be")
    _check(features, like.dtype, (tokens, like.width))
    _check(offsets, torch.int32, (like.axes, tokens))
    _check(patches, torch.int32, (tokens,))
    most = like.tokens + 1
    layout = FrameLayout(
        offsets.to(like.device),
        tuple(part.integers("advance", like.axes, 0, _MOST_POSITIONS)),
        patches.to(like.device),
        extent=tuple(part.integers("extent", like.axes, 0, _MOST_POSITIONS)),
        sides=tuple(part.numbers("sides", 2, 0, most)),
        lead=part.integer("lead", 0, _MOST_POSITIONS),
        text_before=part.integer("text_before", 0, most),
    )
    return EncodedFrame(features.to(like.device), layout)


def _alone(part: Tensor) -> Tensor:
    """The same in memory of its own: a part of what a pass made would keep all of it."""
    whole = part.untyped_storage().nbytes()
    return part if whole == part.nbytes else part.clone()


def _check(tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    if tensor.dtype != dtype or tuple(tensor.shape) != shape:
        raise SnapshotCorrupt(
            f"the snapshot's picture is {tensor.dtype} {list(tensor.shape)}; here it is {dtype}"
            f" {list(shape)}"
        )
    if tensor.is_floating_point() and bool(tensor.isnan().any()):
        raise SnapshotCorrupt("the snapshot's picture holds values that are not numbers")
