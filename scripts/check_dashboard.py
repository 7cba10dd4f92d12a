"""Hold the Grafana dashboards against Grafana's own types. Wants the packages of package.json."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.generate_dashboard import TARGETS

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = Path(__file__).with_name("dashboard_schema.ts")
TSC = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
OPTIONS = (
    *("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"),
    *("--module", "esnext", "--moduleResolution", "bundler"),
)
ERROR = re.compile(r"(?:.*/)?(\d+)\.ts\(\d+,\d+\): error (.*)")


def faults(dashboards: Sequence[Any]) -> list[list[str]]:
    """What is wrong with each, by Grafana's types. Raises RuntimeError if nobody can tell."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.ts" for number in range(len(dashboards))]
        for file, dashboard in zip(files, dashboards, strict=True):
            file.write_text(
                f"import type {{ Dashboard }} from {json.dumps(str(SCHEMA.with_suffix('')))};\n"
                f"export const dashboard: Dashboard = {json.dumps(dashboard, indent=2)};\n"
            )
        command: list[str | Path] = ["node", TSC, *OPTIONS, *files]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    found: list[list[str]] = [[] for _ in dashboards]
    last: list[str] = []
    for line in done.stdout.splitlines():
        if match := ERROR.fullmatch(line):
            last = found[int(match[1])]
            last.append(match[2])
        elif line.startswith(" ") and last:
            last[-1] += f"\n{line}"  # the same in detail
        else:
            raise RuntimeError(f"Grafana's types cannot be used: {done.stdout}")
    if done.returncode and not any(found):
        raise RuntimeError(f"{TSC} cannot be run: {done.stderr}")
    return found


def main() -> None:
    found = faults([json.loads(target.read_text()) for target in TARGETS])
    for target, wrong in zip(TARGETS, found, strict=True):
        if wrong:
            sys.exit("\n".join([f"{target.relative_to(ROOT)} is none by Grafana's types:", *wrong]))


if __name__ == "__main__":
    main()
