"""Commands that come to the device's thread together."""

from __future__ import annotations

import threading

from hermes.engine.mailbox import Mailbox


def test_what_is_posted_at_once_is_found_together() -> None:
    mailbox, done = Mailbox(), list[int]()
    waiting = threading.Event()

    def serve() -> None:
        waiting.set()
        mailbox.wait(20)
        mailbox.run(lambda error: None)
        done.append(-1)

    thread = threading.Thread(target=serve)
    thread.start()
    waiting.wait()
    with mailbox.at_once():
        for number in range(3):
            mailbox.post(lambda number=number: done.append(number))  # type: ignore[misc]
        assert done == []
    thread.join(20)
    assert done == [0, 1, 2, -1]
