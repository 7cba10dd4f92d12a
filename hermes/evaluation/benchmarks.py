"""The benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hermes.evaluation.item import Benchmark
from hermes.evaluation.ovobench import OvoBench
from hermes.evaluation.rvs import Rvs
from hermes.evaluation.streamingbench import StreamingBench
from hermes.evaluation.videomme import VideoMmeLong

Reader = Callable[[Path, Sequence[str], Path | None], Benchmark]
"""(folder with annotation files, tasks, folder with videos) -> the benchmark's data."""

BENCHMARKS: dict[str, Reader] = {
    StreamingBench.name: StreamingBench,
    OvoBench.name: OvoBench,
    Rvs.name: Rvs,
    VideoMmeLong.name: VideoMmeLong,
}
