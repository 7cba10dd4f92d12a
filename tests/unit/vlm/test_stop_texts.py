"""An answer ends before a stop text, wherever its pieces are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermes.vlm.stop_texts import StopTexts

LETTERS = st.text("ab.", max_size=30)


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({min(place, len(text)) for place in places} | {len(text)})
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@given(LETTERS, st.lists(st.text("ab.", min_size=1, max_size=4), max_size=3), st.data())
def test_what_is_sent_ends_before_the_first_stop(
    text: str, stops: list[str], data: st.DataObject
) -> None:
    pieces = cut(text, data.draw(st.lists(st.integers(0, 30))))
    own, sent = StopTexts(stops), ""
    for piece in pieces:
        sent += own.push(piece)
        assert not any(stop in sent for stop in stops)
        if own.found:
            break
    # The text is read as it comes: a stop that is complete first ends it, however long it is.
    seen = next((text[:n] for n in range(len(text) + 1) if any(s in text[:n] for s in stops)), None)
    if seen is None:
        assert not own.found
        assert sent + own.rest() == text
    else:
        assert own.found
        assert own.rest() == ""
        assert text.startswith(sent)


def test_a_stop_that_spans_pieces_is_never_sent() -> None:
    own = StopTexts(["\n\nUser:"])
    assert [own.push(piece) for piece in ("Yes.", "\n", "\nUs", "er", ": no")] == [
        "Yes.",
        "",
        "",
        "",
        "",
    ]
    assert own.found


def test_text_that_only_looked_like_a_stop_is_sent_late() -> None:
    own = StopTexts(["abc"])
    assert [own.push(piece) for piece in ("xa", "b", "d", "ab")] == ["x", "", "abd", ""]
    assert own.rest() == "ab"


def test_without_stops_nothing_is_held_back() -> None:
    own = StopTexts([])
    assert own.push("anything") == "anything"
    assert own.rest() == ""
