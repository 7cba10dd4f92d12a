"""Scenes to real video files: H.264 in MP4, as a camera's recorder would write them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from hermes.demo.drawing import play
from hermes.demo.scenes import Scene

FPS = 10


def film(scene: Scene, path: Path, size: int = 224, *, rate: int = FPS, quality: int = 26) -> Path:
    """Render and encode a scene, `rate` pictures a second. A key frame every two seconds.

    `quality`: the constant rate factor; smaller is better.
    """
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, rate)
        stream.options = {"preset": "veryfast", "g": str(2 * rate), "crf": str(quality)}
        for picture in play(scene, rate, size):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
