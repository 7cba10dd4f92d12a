"""Bounded KV-cache memory of a video stream. Pure torch.

Source: HERMES (arXiv 2601.14724). A `StreamMemory` holds one camera's cache, a
`RetentionPolicy` chooses what it keeps within its budget, and each question is
answered on a `Branch` of it.
"""

from hermes.memory.append import AppendRow
from hermes.memory.attention import HeadNorms, PackedPass, Pass, Row
from hermes.memory.bands import Bands
from hermes.memory.branch import Branch, BranchRow
from hermes.memory.capture import Capture
from hermes.memory.changes import ChangeConfig
from hermes.memory.config import PAPER, PRESETS, PUBLISHED_CODE, HermesConfig
from hermes.memory.coverage import Coverage, FrameStamp
from hermes.memory.device import Copier, Device
from hermes.memory.devices import device_of
from hermes.memory.forked_row import ForkedRow
from hermes.memory.frame_layout import FrameLayout
from hermes.memory.guidance import EmbeddingsRow, GuidanceRow, Projections
from hermes.memory.held_frames import HeldFrames
from hermes.memory.inside import look_inside
from hermes.memory.limits import Compression, MemoryConfig
from hermes.memory.policies import (
    POLICIES,
    AttentionSinks,
    Candidates,
    Hermes,
    RetentionPolicy,
    Selection,
    SlidingWindow,
    UniformFrames,
)
from hermes.memory.rope import Rotary, rotate
from hermes.memory.shape import CacheShape
from hermes.memory.shared_row import Part, SharedRow
from hermes.memory.slab import SlabPool
from hermes.memory.span import Waiting, lies_within
from hermes.memory.span_coverage import SpanCoverage
from hermes.memory.state import MemoryState
from hermes.memory.stream import StreamMemory

__all__ = [
    "PAPER",
    "POLICIES",
    "PRESETS",
    "PUBLISHED_CODE",
    "AppendRow",
    "AttentionSinks",
    "Bands",
    "Branch",
    "BranchRow",
    "CacheShape",
    "Candidates",
    "Capture",
    "ChangeConfig",
    "Compression",
    "Copier",
    "Coverage",
    "Device",
    "EmbeddingsRow",
    "ForkedRow",
    "FrameLayout",
    "FrameStamp",
    "GuidanceRow",
    "HeadNorms",
    "HeldFrames",
    "Hermes",
    "HermesConfig",
    "MemoryConfig",
    "MemoryState",
    "PackedPass",
    "Part",
    "Pass",
    "Projections",
    "RetentionPolicy",
    "Rotary",
    "Row",
    "Selection",
    "SharedRow",
    "SlabPool",
    "SlidingWindow",
    "SpanCoverage",
    "StreamMemory",
    "UniformFrames",
    "Waiting",
    "device_of",
    "lies_within",
    "look_inside",
    "rotate",
]
