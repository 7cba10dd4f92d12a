"""What a memory holds, layer by layer, as plain values that can be drawn and sent.

`hermes.memory.look_inside` makes it, `hermes.picture` draws it. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """One frame in one layer.

    `number` counts the stream's frames from 0. `tokens`: how many of those that
    it was taken in with are held. `summaries`: tokens at its position that
    summarise evicted ones.
    """

    number: int
    tokens: int
    summaries: int = 0


@dataclass(frozen=True, slots=True)
class LayerContents:
    """One decoder layer: its frames, oldest first. `band`: sensory, working or long_term."""

    number: int
    band: str
    frames: tuple[HeldFrame, ...]

    @property
    def tokens(self) -> int:
        """Video tokens that the layer holds, summaries included."""
        return sum(frame.tokens + frame.summaries for frame in self.frames)


@dataclass(frozen=True, slots=True)
class MemoryContents:
    """One memory at one moment. Times are ms since the epoch.

    `times`: when each held frame was captured, by its number, oldest first.
    `gaps`: stretches from which no frame was seen. `gap_reasons`: why, a word for each, "" if
    it is not known; empty if none of them is. `layers`: shallow to deep.
    `tokens`: held in each layer, of `budget`. `bytes`: over all layers. `model`
    and `epoch`: the worker's model and its lease's epoch, if a worker was asked.
    `frame_tokens`: tokens of the largest frame so far; `taken`: with how many each
    frame was taken in, by number, where that is known.
    `media`: where each frame lies in its file, in ms from its start, by number;
    empty unless all frames have such a time.
    """

    policy: str
    budget: int
    tokens: int
    bytes: int
    frame_tokens: int
    frames_seen: int
    times: dict[int, int]
    gaps: tuple[tuple[int, int], ...]
    layers: tuple[LayerContents, ...]
    model: str = ""
    epoch: int = 0
    media: dict[int, int] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    gap_reasons: tuple[str, ...] = ()

    def bands(self) -> list[tuple[str, tuple[LayerContents, ...]]]:
        """The bands that have layers, shallow to deep."""
        names = dict.fromkeys(layer.band for layer in self.layers)
        return [
            (name, tuple(layer for layer in self.layers if layer.band == name)) for name in names
        ]

    def share(self, frame: HeldFrame) -> float:
        """How much of a frame a layer holds: 1 for all of it."""
        whole = self.taken.get(frame.number) or self.frame_tokens
        return frame.tokens / whole if whole else 0.0
