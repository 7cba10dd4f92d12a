"""Rows of a pass: those whose answers are over are left out, and one that fails, fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from hermes.engine.answer import Answer
from hermes.engine.pass_rows import Made, run_rows


class Row:
    """A row of several answers, by their names; those in capitals make a pass fail."""

    def __init__(self, names: str, over: str = "") -> None:
        self.answers = cast(
            Sequence[Answer], [SimpleNamespace(name=name, over=name in over) for name in names]
        )
        self.gone_on = ""

    def make(self, number: int) -> Made:
        names = "".join(_name(answer) for answer in self.answers)
        return Made(cast(Any, names), cast(Any, None), cast(Any, list(names)))

    def halves(self) -> Sequence[Row]:
        names = [_name(answer) for answer in self.answers]
        cut = len(names) // 2
        return [Row("".join(names[:cut])), Row("".join(names[cut:]))]

    def was_read(self) -> None: ...

    def goes_on(self, at: int) -> None:
        self.gone_on += _name(self.answers[at])


class Passes:
    """Finds what it is asked for, and notes each pass."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def found(self, inputs: Sequence[str], rows: Any, wants: Sequence[str], between: Any) -> Any:
        self.made.append(" ".join(inputs))
        if any(want.isupper() for want in wants):
            raise RuntimeError("broken")
        return list(wants)


def _name(answer: Any) -> str:
    return str(answer.name)


def run(*rows: Row) -> tuple[list[str], str, str]:
    """The passes that were made, the answers that got something, and those that failed."""
    passes, took, failed = Passes(), [], []
    run_rows(
        cast(Any, passes),
        rows,
        lambda answer, outcome: took.append(_name(answer)),
        lambda answer, error: failed.append(_name(answer)),
    )
    return passes.made, "".join(took), "".join(failed)


def test_all_rows_are_one_pass() -> None:
    rows = Row("ab"), Row("c")
    assert run(*rows) == (["ab c"], "abc", "")
    assert [row.gone_on for row in rows] == ["ab", "c"]


def test_a_bad_answer_fails_alone() -> None:
    assert run(Row("abcD"), Row("e"))[1:] == ("abce", "D")


def test_what_was_cancelled_meanwhile_is_not_read() -> None:
    assert run(Row("a", over="a"), Row("b")) == (["b"], "b", "")
    assert run(Row("a", over="a")) == ([], "", "")
