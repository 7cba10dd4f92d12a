from __future__ import annotations

import pytest

from services.decoder.ending import Ending


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending(), "the file was read whole"),
        (Ending(2.0), "the file was read whole (2.0 s)"),
        (Ending(29.6, 30.0), "the file was read whole (29.6 s)"),
        (Ending(3.0, 30.0), "the file is cut: 3.0 of 30.0 s could be read"),
        (Ending(None, 30.0), "the file is cut: 0.0 of 30.0 s could be read"),
        (
            Ending(3.0, 30.0, bytes_there=500_000, bytes_needed=5_200_000),
            "the file is cut: 3.0 of 30.0 s, 500.0 kB of 5.2 MB, could be read",
        ),
        (
            Ending(3.0, 30.0, bytes_there=5, bytes_needed=5),
            "the file is damaged: 3.0 of 30.0 s could be read",
        ),
        (
            Ending(3.0, 30.0, with_sound=True),
            "the file is cut, or its sound is longer: 3.0 of 30.0 s could be read",
        ),
    ],
)
def test_it_says_how_much_was_read_of_how_much(ending: Ending, words: str) -> None:
    assert ending.words("the file") == words


def test_only_what_ends_where_it_said_is_whole() -> None:
    assert Ending(30.0, 30.0).whole
    assert not Ending(30.0).whole
    assert not Ending(3.0, 30.0).whole
    assert not Ending(300.0, 30.0).whole, "a length that is wrong says nothing"
