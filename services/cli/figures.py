"""Figures for people: times and sizes."""

from __future__ import annotations


def milliseconds(seconds: float | None) -> str:
    """For people: `12.3 ms`, `4.5 s`."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def human_bytes(count: int) -> str:
    """For people: `2.5 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
