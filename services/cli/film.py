"""Scenes to real video files: H.264 in MP4, as a camera's recorder would write them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from hermes.demo.drawing import play
from hermes.demo.scenes import Scene

FPS = 10


def film(scene: Scene, path: Path, size: int = 224) -> Path:
    """Render and encode a scene. A key frame every two seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.options = {"preset": "veryfast", "g": str(2 * FPS), "crf": "26"}
        for picture in play(scene, FPS, size):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
