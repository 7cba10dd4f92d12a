"""The console's files: read once, compressed once, and named by what is in all of them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
STYLES = ("base", "shell", "parts", "forms", "wall", "camera", "answers", "watches")
"""Style sheets, in the order in which they count. They are sent as one file."""
ALL_STYLES = "css/all.css"
LEAST_GZIPPED = 512
"""Bytes. Smaller files fit into one packet either way."""


@dataclass(frozen=True)
class Asset:
    """One file. `etag`: the same for the same contents, quotes included."""

    data: bytes
    media_type: str

    @cached_property
    def etag(self) -> str:
        """A hash of the contents."""
        return f'"{hashlib.sha256(self.data).hexdigest()[:20]}"'

    @cached_property
    def gzipped(self) -> bytes | None:
        """The contents for clients that take gzip; None where it would not be worth it."""
        if len(self.data) < LEAST_GZIPPED:
            return None
        return gzip.compress(self.data, 9, mtime=0)


class Assets:
    """All files of the console, by their path. `version`: a hash of all of them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = {
            path: Asset(data, MEDIA_TYPES[path[path.rindex(".") :]]) for path, data in files.items()
        }
        whole = "".join(f"{path} {asset.etag}\n" for path, asset in sorted(self._files.items()))
        self.version = hashlib.sha256(whole.encode()).hexdigest()[:12]

    @classmethod
    def packaged(cls) -> Assets:
        """Those that come with this package."""
        files = dict(_read(resources.files("services.web.console").joinpath("static")))
        files[ALL_STYLES] = b"\n".join(files.pop(f"css/{name}.css") for name in STYLES)
        return cls(files)

    def get(self, path: str) -> Asset | None:
        """The file, if there is one."""
        return self._files.get(path)

    def paths(self, suffix: str) -> list[str]:
        """The paths that end so, in order."""
        return sorted(path for path in self._files if path.endswith(suffix))


def _read(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif entry.name[entry.name.rfind(".") :] in MEDIA_TYPES:  # types are for tsc alone
            yield prefix + entry.name, entry.read_bytes()
