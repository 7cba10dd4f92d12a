"""Bounded KV-cache memory of a video stream. Pure torch.

Source: HERMES (arXiv 2601.14724). A `StreamMemory` holds one camera's cache; a
`RetentionPolicy` decides what stays when it is over its budget; a `Branch` is
where one question is answered.
"""

from hermes.memory.attention import PackedPass, Row
from hermes.memory.bands import Bands
from hermes.memory.branch import Branch
from hermes.memory.coverage import Coverage, FrameStamp
from hermes.memory.policy import POLICIES, Candidates, RetentionPolicy, SlidingWindow
from hermes.memory.rope import Rotary, rotate
from hermes.memory.shape import CacheShape
from hermes.memory.stream import AppendRow, Compression, MemoryConfig, StreamMemory

__all__ = [
    "POLICIES",
    "AppendRow",
    "Bands",
    "Branch",
    "CacheShape",
    "Candidates",
    "Compression",
    "Coverage",
    "FrameStamp",
    "MemoryConfig",
    "PackedPass",
    "RetentionPolicy",
    "Rotary",
    "Row",
    "SlidingWindow",
    "StreamMemory",
    "rotate",
]
