"""Selectors select as those of Kubernetes; what is wrong is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import InvalidInput
from hermes.selector import MAX_SELECTOR_CHARS, Condition, Requirement, Selector
from tests.support.labels import FEW_LABELS, SELECTORS

DOCK = {"site": "dock", "floor": "2", "indoors": ""}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("  ", True),
        ("site=dock", True),
        ("site==dock", True),
        (" site = dock , floor = 2 ", True),
        ("site=yard", False),
        ("site!=dock", False),
        ("site!=yard", True),
        ("roof!=yard", True),
        ("site in (dock, yard)", True),
        ("site in (yard)", False),
        ("roof in (yard)", False),
        ("site notin (dock, yard)", False),
        ("site notin (yard)", True),
        ("roof notin (yard)", True),
        ("site", True),
        ("roof", False),
        ("!site", False),
        ("! roof", True),
        ("indoors=", True),
        ("site=", False),
        ("roof=", False),
        ("indoors in ()", True),
        ("indoors notin (,)", False),
        ("site=dock,floor!=2", False),
        ("site=dock,floor!=3,!roof,indoors", True),
        ("Site=dock", False),
        ("site=Dock", False),
        ("site=dock,site=yard", False),
    ],
)
def test_which_cameras_are_selected(text: str, selected: bool) -> None:
    assert Selector.parse(text).matches(DOCK) is selected


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("\rx", "x"),
        ("this-is-a-dns.domain.com/key-with-dash", "this-is-a-dns.domain.com/key-with-dash"),
        ("0.1.2.domain/99 notin (10.10.100.1, t.c)", "0.1.2.domain/99 notin (10.10.100.1,t.c)"),
        ("foo  in\t (abc)", "foo in (abc)"),
        ("x notin\n (abc,def)", "x notin (abc,def)"),
        ("x in(abc,abc)", "x in (abc)"),
        ("x in (abc,)", "x in (,abc)"),
        ("x in ()", "x in ()"),
        ("x notin ( )", "x notin ()"),
        ("x in (a,,a,,)", "x in (,a)"),
        ("x notin (abc,,def),bar,z in (),w", "x notin (,abc,def),bar,z in (),w"),
        ("x=a,y!=b,z in (h,i,j)", "x in (a),y notin (b),z in (h,i,j)"),
        ("a in (x,y,notin, z,in)", "a in (in,notin,x,y,z)"),
        ("in,notin in (in),!in", "in,notin in (in),!in"),
        ("x=in", "x in (in)"),
        ("x=,z= ", "x in (),z in ()"),
    ],
)
def test_everything_that_kubernetes_reads_is_read_alike(text: str, read: str) -> None:
    assert str(Selector.parse(text)) == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",x", "at character 1 there must be a key, not ','"),
        ("x,,y", "at character 3 there must be a key, not ','"),
        ("x,", "at character 3 there must be a key, not the end"),
        ("a in (xyz),", "at character 12 there must be a key, not the end"),
        ("x nott in (y)", "at character 3 there must be =, ==, !=, in (...), notin (...)"),
        ("x>1", "not '>'"),
        ("x<a", "not '<'"),
        ("a (", "at character 3 there must be =,"),
        ("(", "at character 1 there must be a key, not '('"),
        ("!", "there must be a key, not the end"),
        ("!!x", "at character 2 there must be a key, not '!'"),
        ("!x=a", "at character 3 there must be a comma or the end, not '='"),
        ("x==a==b", "at character 5 there must be a comma or the end, not '=='"),
        ("x===a", "at character 4 there must be a value, not '='"),
        ("x=a b", "at character 5 there must be a comma or the end, not 'b'"),
        ("x in", "at character 5 there must be '(', not the end"),
        ("x in a", "at character 6 there must be '(', not 'a'"),
        ("a in (xyz abc)", "at character 11 there must be a comma or ')', not 'abc'"),
        ("a in (xyz)b notin ()", "at character 11 there must be a comma or the end, not 'b'"),
        ("a notin(", "at character 9 there must be a value, not the end"),
        ("a in (b", "there must be a comma or ')', not the end"),
        ("x=a||y=b", "'a||y' at character 3: the value has '|' at character 2"),
        ("site=dock, flo:or", "'flo:or' at character 12: the key has ':' at character 4"),
        ("x=-a", "'-a' at character 3: the value must begin and end"),
        ("x in (a/b)", "'a/b' at character 7: the value has '/'"),
        ("\u00a0x", "the key has"),
        ("x\0", "at character 1: the key has"),
        ("x" * (MAX_SELECTOR_CHARS + 1), "has 4097 characters; 4096"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Selector.parse(text, "--label")
    assert refused.value.field == "--label"
    assert said in str(refused.value)


def test_of_several_selectors_each_must_select_the_camera() -> None:
    both = Selector.parse_all(["site=dock", "floor in (1, 2)"])
    assert both.requirements == (
        Requirement("site", Condition.ONE_OF, frozenset({"dock"})),
        Requirement("floor", Condition.ONE_OF, frozenset({"1", "2"})),
    )
    assert both.matches(DOCK)
    assert not Selector.parse_all(["site=dock", "floor=1"]).matches(DOCK)
    assert Selector.parse_all([]).matches({})


@given(SELECTORS)
def test_a_selector_comes_back(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


@given(SELECTORS, FEW_LABELS)
def test_a_selector_selects_what_meets_every_requirement(
    selector: Selector, labels: dict[str, str]
) -> None:
    """Each condition in other words: by the pairs that a camera has."""

    def met(one: Requirement) -> bool:
        pairs = {(one.key, value) for value in one.values} & labels.items()
        return {
            Condition.ONE_OF: bool(pairs),
            Condition.NONE_OF: not pairs,
            Condition.PRESENT: one.key in labels,
            Condition.ABSENT: one.key not in labels,
        }[one.condition]

    assert selector.matches(labels) == all(map(met, selector.requirements))


@given(SELECTORS, SELECTORS, FEW_LABELS)
def test_a_comma_means_and(one: Selector, other: Selector, labels: dict[str, str]) -> None:
    texts = [text for text in (str(one), str(other)) if text]
    joined = Selector.parse(",".join(texts))
    assert joined.matches(labels) == (one.matches(labels) and other.matches(labels))
    assert joined == Selector.parse_all(texts)


@given(st.text(alphabet="abin=!(),<> \t-/.é", max_size=24) | st.text(max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        selector = Selector.parse(text)
    except InvalidInput:
        return
    assert Selector.parse(str(selector)) == selector
