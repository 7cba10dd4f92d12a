"""The sizes of a model's frames: in the shape of their pictures, or all the same."""

from __future__ import annotations

from hermes.errors import InvalidInput
from hermes.vlm.preprocess import PatchSettings

_SIZES = 1024
"""Sizes of pictures that are remembered."""


class FrameSizes:
    """The sizes of frames, for a tower that takes frames of many sizes.

    Frames follow the shape of their pictures, in whole tokens, up to a number of
    tokens; or they all have one size.
    """

    def __init__(
        self,
        patches: PatchSettings,
        frame_size: tuple[int, int] | None = None,
        frame_tokens: int | None = None,
    ) -> None:
        """`frame_size`: the one height and width of all frames.

        `frame_tokens`: the most tokens of a picture; by default some 144. Raises
        `InvalidInput` for what the checkpoint does not take.
        """
        self._patches = patches
        self._known: dict[tuple[int, int], tuple[int, int]] = {}
        self._follow = frame_size is None
        least = max(1, -(-patches.min_pixels // patches.unit**2))
        if frame_size is not None:
            if frame_tokens is not None:
                raise InvalidInput("frame_tokens", "cannot be chosen beside a frame_size")
            patches.check_size(frame_size)
        elif frame_tokens is not None and frame_tokens < least:
            raise InvalidInput(
                "frame_tokens", f"{frame_tokens}: this checkpoint's frames have at least {least}"
            )
        self.largest = frame_size or patches.default_size(frame_tokens)
        """Height and width of the largest frames in the shape 16:9, or of all frames."""
        self.most_tokens = frame_tokens or self.tokens(self.largest)
        """The most tokens of a picture of any shape."""

    def fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """The height and width that pictures of this height and width are resized to."""
        if not self._follow:
            return self.largest
        if size not in self._known:
            if len(self._known) >= _SIZES:
                self._known.clear()
            self._known[size] = self._patches.fitted(size, self.most_tokens)
        return self._known[size]

    def tokens(self, fitted: tuple[int, int]) -> int:
        """The tokens of a picture of a height and width that are `fitted`."""
        height, width = fitted
        return (height // self._patches.unit) * (width // self._patches.unit)
