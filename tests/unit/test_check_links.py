from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import check_links

PAGE = """\
# A page: *what* `it` says

## Twice
## Twice

A heading with a line under it
------------------------------

<a id="by-hand"></a>

[up](../README.md), [here](#twice-1), [there](page.md#a-page-what-it-says "with a title"),
[line](#a-heading-with-a-line-under-it), [hand](#by-hand), ![](<../a picture.svg>),
[web](https://example.com/nowhere), [mail](mailto:a@example.com), [root](/README.md),
[code](../services/x.py#L3), [escaped](../a%20picture.svg), [ref][ref], `services/x.py`,
`python services/x.py:17 --flag`, `services/*.py`, `docs/`, `services/.../y.py`, `a/b/c`,
`[no link](nowhere.md)`

[ref]: ../README.md

```sh
cat docs/nowhere.md  # [no link](nowhere.md) `docs/nowhere.md`
```
"""

WRONG = """\
[gone](gone.md)
[no such anchor](page.md#thrice), [nor here](#nothing)
[out](../../elsewhere.md)

Look at `services/gone.py` and `tests/*.rs`.
<img src="gone.svg">
[empty]()

[ref]: gone/
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "x.py").touch()
    (tmp_path / "a picture.svg").touch()
    (tmp_path / "README.md").write_text("# Read me\n")
    (tmp_path / "ignored.md").write_text("[gone](gone.md)")
    (tmp_path / ".gitignore").write_text("ignored.md\n")
    (tmp_path / "docs" / "page.md").write_text(PAGE)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_what_is_there_is_no_problem(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_links.main(repository) == 0
    assert capsys.readouterr().out == ""


def test_what_is_not_there_is_named_with_its_line(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "docs" / "wrong.md").write_text(WRONG)
    assert check_links.main(repository) == 1
    assert capsys.readouterr().out.splitlines() == [
        "docs/wrong.md:1: gone.md does not exist",
        "docs/wrong.md:2: page.md#thrice: no heading gives the anchor #thrice",
        "docs/wrong.md:2: #nothing: no heading gives the anchor #nothing",
        "docs/wrong.md:3: ../../elsewhere.md leads out of the repository",
        "docs/wrong.md:5: `services/gone.py` does not exist",
        "docs/wrong.md:5: `tests/*.rs` does not exist",
        "docs/wrong.md:6: gone.svg does not exist",
        "docs/wrong.md:7: a link without a target",
        "docs/wrong.md:9: gone/ does not exist",
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Where things are", "where-things-are"),
        ("What's new in 1.2?", "whats-new-in-12"),
        ("`hermes up` & `hermes ask`", "hermes-up--hermes-ask"),
        ("A [link](x.md) in it", "a-link-in-it"),
        ("snake_case stays", "snake_case-stays"),
        ("Über **alles**", "über-alles"),
    ],
)
def test_anchors_are_githubs(heading: str, anchor: str) -> None:
    assert check_links.slug(heading) == anchor


def test_this_repository_has_no_broken_link(capsys: pytest.CaptureFixture[str]) -> None:
    if not (check_links.ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    check_links.main()
    assert capsys.readouterr().out == ""
