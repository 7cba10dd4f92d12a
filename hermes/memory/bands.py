"""Layer bands: shallow layers are sensory memory, deep ones long-term memory, others working."""

from __future__ import annotations

from dataclasses import dataclass

SHALLOW_SHARE = 0.1  # HERMES, section 3.1: the first tenth of the layers
DEEP_FROM = 0.7  # and the last three tenths


@dataclass(frozen=True, slots=True)
class Bands:
    """The layers of each band of a decoder. Every layer is in one band; a band may be empty."""

    sensory: range
    working: range
    long_term: range

    @classmethod
    def of(cls, layers: int) -> Bands:
        """Boundaries floor(0.1 L) and floor(0.7 L): 0-1, 2-18 and 19-27 of 28."""
        first, second = int(SHALLOW_SHARE * layers + 1e-9), int(DEEP_FROM * layers + 1e-9)
        return cls(range(first), range(first, second), range(second, layers))

    def items(self) -> tuple[tuple[str, range], ...]:
        """Name and layers of each band, shallow to deep."""
        return (
            ("sensory", self.sensory),
            ("working", self.working),
            ("long_term", self.long_term),
        )
