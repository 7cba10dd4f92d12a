"""Filters of the decode library, one after another, for frames of one size and format."""

from __future__ import annotations

from collections.abc import Iterable

import av
from av.filter import Graph
from av.video.frame import VideoFrame


class FilterChain:
    """A chain of filters. Frames that go in must all be of the form of the first."""

    def __init__(self, frame: VideoFrame, steps: Iterable[tuple[str, str]]) -> None:
        """`frame`: the first that will go in. `steps`: names of filters with their options."""
        self._graph = Graph()
        self._graph.threads = 1  # cameras share the cores
        nodes = [
            self._graph.add(
                "buffer",
                video_size=f"{frame.width}x{frame.height}",
                pix_fmt=frame.format.name,
                time_base="1/1000",
                colorspace=str(int(frame.colorspace)),
                range=str(int(frame.color_range)),
            ),
            *(self._graph.add(name, options or None) for name, options in steps),
            self._graph.add("buffersink"),
        ]
        self._graph.link_nodes(*nodes)
        self._graph.configure()

    def apply(self, frame: VideoFrame) -> VideoFrame:
        """The frame after all filters, none of which may hold frames back."""
        self._graph.vpush(frame)
        return self._graph.vpull()

    def last(self, frame: VideoFrame) -> VideoFrame:
        """What a filter that holds frames back makes of this one alone. Ends the chain."""
        self._graph.vpush(frame)
        self._graph.vpush(None)
        made = self._graph.vpull()
        while True:
            try:
                made = self._graph.vpull()
            except (av.error.EOFError, av.error.BlockingIOError):
                return made
