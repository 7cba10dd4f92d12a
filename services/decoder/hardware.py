"""Decoding on hardware: whether this machine can, and whether a frame was decoded there.

Frames are copied to memory at once. What follows (conversion, trust, turns) is the same as for
frames that were decoded in software, which takes over wherever the hardware cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import av
from av.codec.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.frame import VideoFrame

Choice = Literal["none", "auto", "cuda", "vaapi"]

NONE: Choice = "none"
_IN_ORDER = ("cuda", "vaapi")
_BY_SOFTWARE = ("yuv420p", "yuv422p", "yuvj", "gray")
"""How the names of pixel formats begin that no hardware decoder hands out."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that can decode; without a `kind`, `why` there is none."""

    kind: str = ""
    why: str = ""


@cache
def device(choice: Choice) -> Device:
    """The device of this machine that is meant. Found once: it takes a moment."""
    kinds = _IN_ORDER if choice == "auto" else () if choice == NONE else (choice,)
    reasons = []
    for kind in kinds:
        why = why_not(kind)
        if not why:
            return Device(kind)
        reasons.append(why)
    return Device(why="; ".join(reasons))


def why_not(kind: str) -> str:
    """Why no H.264 can be decoded by this kind of device; "" if it can."""
    if kind not in hwdevices_available():
        return f"the decode library was built without {kind}"
    try:
        HWAccel(kind).create(Codec("h264", "r"))
    except NotImplementedError:
        return f"the decode library's decoders were built without {kind}"
    except (av.FFmpegError, OSError) as error:
        return f"no {kind} device can be used ({error.strerror})"
    return ""


def accelerator(choice: Choice) -> HWAccel | None:
    """What a container is opened with; None decodes in software."""
    kind = device(choice).kind
    return HWAccel(kind) if kind else None


def note(choice: Choice, frame: VideoFrame) -> str:
    """For people: that a frame was decoded in software, and why; "" if that was wanted."""
    if choice == NONE:
        return ""
    found = device(choice)
    if not found.kind:
        return f"decoded in software: {found.why}"
    if frame.format.name.startswith(_BY_SOFTWARE):
        return f"decoded in software: the {found.kind} device does not decode this stream"
    return ""
