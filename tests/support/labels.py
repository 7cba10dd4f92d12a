"""Labels and selectors at random, as Kubernetes allows them."""

from __future__ import annotations

from hypothesis import strategies as st

from hermes.selector import Condition, Requirement, Selector

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", fullmatch=True)
DOMAINS = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,3}", fullmatch=True
)
KEYS = NAMES | st.builds("{}/{}".format, DOMAINS, NAMES)
VALUES = st.just("") | NAMES
LABELS = st.dictionaries(KEYS, VALUES, max_size=8)

# Few words, so that a selector and labels often have some in common.
FEW_KEYS = st.sampled_from(["a", "b", "in", "notin", "x.y/a"])
FEW_VALUES = st.sampled_from(["", "a", "b", "in", "1"])
FEW_LABELS = st.dictionaries(FEW_KEYS, FEW_VALUES)

_LISTED = st.builds(
    Requirement,
    FEW_KEYS,
    st.sampled_from([Condition.ONE_OF, Condition.NONE_OF]),
    st.frozensets(FEW_VALUES, min_size=1),
)
_BARE = st.builds(Requirement, FEW_KEYS, st.sampled_from([Condition.PRESENT, Condition.ABSENT]))
SELECTORS = st.lists(_LISTED | _BARE, max_size=4).map(lambda some: Selector(tuple(some)))
