"""The console's files: all there, small, whole, and nothing in them from elsewhere."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from scripts import vendor_console
from services.web.console.assets import ALL_STYLES, STYLES, Assets
from services.web.console.pages import PAGE, first_modules

FOLDER = Path(__file__).parents[3] / "services" / "web" / "console" / "static"
ASSETS = Assets.packaged()
FIRST_VIEW_BYTES = 150_000
MAX_LINES = 400


def sent(path: str) -> int:
    """Bytes of a file as a browser gets it."""
    asset = ASSETS.get(path)
    assert asset is not None
    return len(asset.data if asset.gzipped is None else asset.gzipped)


def test_the_first_view_is_small() -> None:
    first = first_modules(ASSETS)
    assert "vendor/preact.js" in first
    assert "vendor/uplot.js" not in first
    assert "js/views/camera.js" not in first
    total = sum(map(sent, [PAGE, "icon.svg", ALL_STYLES, *first]))
    assert total < FIRST_VIEW_BYTES


def test_every_file_is_packaged_and_has_a_type() -> None:
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    apart = {path for path in there if not path.endswith(".d.ts") and not path.startswith("css/")}
    assert {path for path in apart if ASSETS.get(path) is None} == set()
    assert {path for path in there if path.startswith("css/")} == {f"css/{s}.css" for s in STYLES}
    assert ASSETS.get("vendor/preact.d.ts") is None


def test_what_is_compressed_is_the_same() -> None:
    asset = ASSETS.get("js/app.js")
    assert asset is not None
    assert asset.gzipped is not None
    assert gzip.decompress(asset.gzipped) == asset.data


def test_another_file_makes_another_version() -> None:
    one, two = (Assets({"a.js": b"1", "b.js": data}) for data in (b"1", b"2"))
    assert one.version != two.version
    assert Assets({"a.js": b"1", "b.js": b"1"}).version == one.version


@pytest.mark.parametrize("path", [PAGE, *ASSETS.paths(".js"), *map("css/{}.css".format, STYLES)])
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(path: str) -> None:
    """A browser would refuse it, because the page's policy forbids it."""
    text = (FOLDER / path).read_text()
    allowed = r"(?:https?:)?//(?:www\.w3\.org/|camera\.example\.com/)"
    if not path.startswith("vendor/"):
        assert not re.search(rf"(?!{allowed})(?:https?:)//[\w.]", text), path
        assert not re.search(r"\son\w+=[\"']|<style|\sstyle=[\"']|javascript:|innerHTML", text), (
            path
        )
        assert len(text.splitlines()) <= MAX_LINES
    assert not re.search(r"\beval\(|new Function\(", text), path
    if path == PAGE:
        assert not re.search(r"<script(?![^>]*\ssrc=)", text)


def test_every_import_leads_somewhere() -> None:
    for path in ASSETS.paths(".js"):
        text = (FOLDER / path).read_text()
        for name in re.findall(r"""(?:from|import\()\s*["'](\.[^"']+)["']""", text):
            assert (FOLDER / path).parent.joinpath(name).is_file(), f"{path}: {name}"


def test_vendored_libraries_are_as_npm_has_them() -> None:
    assert vendor_console.differences() == []


def test_a_library_that_was_changed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, missing = "preact.js", "htm.js"
    for path in vendor_console.FOLDER.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / changed).write_text("other")
    (tmp_path / "new.js").write_text("")
    monkeypatch.setattr(vendor_console, "FOLDER", tmp_path)
    monkeypatch.setattr(vendor_console, "LIST", tmp_path / vendor_console.LIST.name)
    found = vendor_console.differences()
    assert set(found) == {
        f"{changed}: was changed",
        f"{missing}: is missing",
        "new.js: is not listed",
    }


def test_packages_become_paths_and_source_maps_go() -> None:
    text = 'import{h}from"preact";export*from "preact/hooks";\n//# sourceMappingURL=x.map\n'
    made = vendor_console.as_module(text, "export default h;\n")
    assert made == (
        'import{h}from"./preact.js";export*from "./preact-hooks.js";\nexport default h;\n'
    )


def test_each_library_has_its_licence() -> None:
    packages = json.loads((FOLDER / "vendor" / "vendored.json").read_text())["versions"]
    licences = {path.name.partition(".")[0] for path in (FOLDER / "vendor").glob("*.LICENSE.txt")}
    assert licences == {package.partition("/")[2] or package for package in packages} - {
        "signals-core"  # of the same people as signals, under the same licence
    }
