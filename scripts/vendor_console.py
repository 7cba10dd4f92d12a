"""The libraries of the console, as npm has them: `python -m scripts.vendor_console`.

`package.json` pins the versions. Each library becomes one module that a browser loads as it
is: names of packages become paths, and comments that point at source maps go. `vendored.json`
has the hash of each file; a test compares. `--check` fetches nothing and compares alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "package.json"
FOLDER = ROOT / "services" / "web" / "console" / "static" / "vendor"
LIST = FOLDER / "vendored.json"
TIMEOUT_S = 120

_IMPORT = re.compile(r'(from\s*|import\s*)(["\'])([^"\'.][^"\']*)\2')
_SOURCE_MAP = re.compile(r"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=.*?\*/)\s*$")


@dataclass(frozen=True, slots=True)
class Taken:
    """A file of a package. `file`: its name here. `end`: what is added to it."""

    package: str
    path: str
    file: str
    end: str = ""


TAKEN = (
    Taken("preact", "dist/preact.mjs", "preact.js"),
    Taken("preact", "hooks/dist/hooks.mjs", "preact-hooks.js"),
    Taken("preact", "LICENSE", "preact.LICENSE.txt"),
    Taken("@preact/signals-core", "dist/signals-core.mjs", "signals-core.js"),
    Taken("@preact/signals", "dist/signals.mjs", "signals.js"),
    Taken("@preact/signals", "LICENSE", "signals.LICENSE.txt"),
    Taken("htm", "dist/htm.mjs", "htm.js"),
    Taken("htm", "LICENSE", "htm.LICENSE.txt"),
    # Its only small build is a script: with its one name exported it is a module.
    Taken("uplot", "dist/uPlot.iife.min.js", "uplot.js", "export default uPlot;\n"),
    Taken("uplot", "dist/uPlot.min.css", "uplot.css"),
    Taken("uplot", "LICENSE", "uplot.LICENSE.txt"),
)
MODULES = {
    "preact": "./preact.js",
    "preact/hooks": "./preact-hooks.js",
    "@preact/signals-core": "./signals-core.js",
}
"""Where the modules find each other: a browser knows no packages."""
TYPES = {
    "preact.d.ts": 'export * from "preact";\n',
    "preact-hooks.d.ts": 'export * from "preact/hooks";\n',
    "signals-core.d.ts": 'export * from "@preact/signals-core";\n',
    "signals.d.ts": 'export * from "@preact/signals";\n',
    "htm.d.ts": 'export { default } from "htm";\n',
    "uplot.d.ts": 'export { default } from "uplot";\n',
}
"""For `tsc`, which finds the packages' own types in node_modules. They are not served."""


def as_module(text: str, end: str = "") -> str:
    """A file of a package as a browser can load it from here."""

    def path(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{MODULES[match[3]]}{match[2]}"

    return _SOURCE_MAP.sub("", _IMPORT.sub(path, text)).rstrip("\n") + "\n" + end


def versions() -> dict[str, str]:
    """The pinned version of each package that is taken from."""
    pinned = json.loads(PACKAGE.read_text())["devDependencies"]
    return {taken.package: pinned[taken.package] for taken in TAKEN}


def differences() -> list[str]:
    """What is not as `vendored.json` and `package.json` say."""
    listed = json.loads(LIST.read_text())
    found = []
    if listed["versions"] != versions():
        found.append("package.json pins other versions: python -m scripts.vendor_console")
    there = {path.name for path in FOLDER.iterdir()} - {LIST.name}
    found += [f"{name}: is not listed" for name in sorted(there - set(listed["sha256"]))]
    for name, digest in listed["sha256"].items():
        if name not in there:
            found.append(f"{name}: is missing")
        elif digest_of((FOLDER / name).read_bytes()) != digest:
            found.append(f"{name}: was changed")
    return found


def digest_of(data: bytes) -> str:
    """SHA-256, as `vendored.json` has it."""
    return hashlib.sha256(data).hexdigest()


def fetch() -> None:
    """Write all files and their list anew. Needs npm and its registry."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    digests = {}
    with tempfile.TemporaryDirectory() as name:
        archives = {
            package: _packed(f"{package}@{version}", Path(name))
            for package, version in versions().items()
        }
        for taken in TAKEN:
            text = _read(archives[taken.package], f"package/{taken.path}")
            if taken.file.endswith((".js", ".css")):
                text = as_module(text, taken.end)
            (FOLDER / taken.file).write_text(text)
            digests[taken.file] = digest_of(text.encode())
    for file, text in TYPES.items():
        (FOLDER / file).write_text(text)
        digests[file] = digest_of(text.encode())
    LIST.write_text(json.dumps({"versions": versions(), "sha256": digests}, indent=2) + "\n")


def _packed(spec: str, folder: Path) -> Path:
    packed = subprocess.run(
        ["npm", "pack", "--json", "--pack-destination", str(folder), spec],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    found = json.loads(packed.stdout)
    entry = found[0] if isinstance(found, list) else next(iter(found.values()))
    return folder / str(entry["filename"]).replace("@", "").replace("/", "-")


def _read(archive: Path, path: str) -> str:
    with tarfile.open(archive) as files:
        member = files.extractfile(path)
        assert member is not None, path
        return member.read().decode()


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch, or compare. 1 if something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare alone")
    if not parser.parse_args(argv).check:
        fetch()
    found = differences()
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
