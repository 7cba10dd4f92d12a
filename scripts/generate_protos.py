"""Generate hermes/v1 from protos/, or check that what is checked in is current."""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
TARGET = ROOT / "hermes" / "v1"
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


def generate(out: Path) -> None:
    """Write the generated modules under `out`, as the package hermes.v1."""
    import grpc_tools

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    status = protoc.main(
        [
            "protoc",
            f"-I{PROTOS}",
            f"-I{well_known}",
            f"--python_out={out}",
            f"--pyi_out={out}",
            f"--grpc_python_out={out}",
            *(str(p) for p in sorted(PROTOS.rglob("*.proto"))),
        ]
    )
    if status != 0:
        sys.exit(f"protoc failed with status {status}")
    for stub in (out / "hermes" / "v1").glob("*_pb2_grpc.py"):
        if "Servicer" not in stub.read_text():
            stub.unlink()  # no service in this file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = Path(scratch) / "hermes" / "v1"
        want = {p.name for p in fresh.iterdir()}
        have = {p.name for p in TARGET.iterdir() if p.name.endswith(SUFFIXES)}
        if check:
            stale = sorted(
                name
                for name in want | have
                if name not in want & have
                or not filecmp.cmp(fresh / name, TARGET / name, shallow=False)
            )
            if stale:
                sys.exit(f"hermes/v1 is not current ({', '.join(stale)}): run make protos")
            return
        for name in have - want:
            (TARGET / name).unlink()
        for name in want:
            shutil.copy(fresh / name, TARGET / name)


if __name__ == "__main__":
    main()
