"""What waits for a client is bounded, and keeps its order."""

from __future__ import annotations

import asyncio

import pytest

from hermes.v1.query_pb2 import Complete
from hermes.v1.query_pb2 import QueryServiceAskManyResponse as Event
from services.query_gateway.outbox import JOINED_BYTES, Outbox


def complete(camera_id: str, size: int = 0) -> Event:
    return Event(camera_id=camera_id, complete=Complete(model="x" * size))


async def test_text_that_waits_is_joined_for_each_camera() -> None:
    outbox = Outbox()
    for piece in "abc":
        outbox.text("lobby", piece)
        outbox.text("dock", piece.upper())
    await outbox.end(complete("lobby"))
    outbox.close()
    got = []
    while (event := await outbox.next()) is not None:
        got.append((event.camera_id, event.delta.text))
    assert got == [("lobby", "abc"), ("dock", "ABC"), ("lobby", "")]


async def test_text_that_was_read_is_not_changed_any_more() -> None:
    outbox = Outbox()
    outbox.text("lobby", "a")
    first = await outbox.next()
    outbox.text("lobby", "b")
    second = await outbox.next()
    assert first is not None
    assert second is not None
    assert (first.delta.text, second.delta.text) == ("a", "b")


async def test_the_ends_of_answers_wait_for_room() -> None:
    outbox = Outbox(most_bytes=150)
    await outbox.end(complete("a", 100))
    waiting = [asyncio.create_task(outbox.end(complete(name, 100))) for name in "bc"]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    outbox.text("d", "text never waits")
    order = []
    for _ in range(4):
        event = await outbox.next()
        assert event is not None
        order.append(event.camera_id)
    assert order == ["a", "d", "b", "c"]
    await asyncio.gather(*waiting)


async def test_an_end_larger_than_the_bound_passes_alone() -> None:
    outbox = Outbox(most_bytes=10)
    await asyncio.wait_for(outbox.end(complete("a", 100)), 1)


async def test_one_that_stops_waiting_for_room_leaves_it_to_the_others() -> None:
    outbox = Outbox(most_bytes=150)
    await outbox.end(complete("a", 100))
    gives_up, stays = (asyncio.create_task(outbox.end(complete(n, 100))) for n in "bc")
    await asyncio.sleep(0)
    gives_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    assert await outbox.next() is not None
    await asyncio.wait_for(stays, 1)


async def test_nothing_follows_the_close() -> None:
    outbox = Outbox()
    reading = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    outbox.close()
    assert await reading is None
    assert await outbox.next() is None


async def test_what_is_there_comes_in_one_message_up_to_a_size() -> None:
    outbox = Outbox(most_bytes=10 * JOINED_BYTES)
    for name in "ab":
        outbox.text(name, name.upper())
    await outbox.end(complete("a", JOINED_BYTES))
    await outbox.end(complete("c"))
    first, second = await outbox.next_joined(), await outbox.next_joined()
    assert first is not None
    assert second is not None
    assert (first.camera_id, first.delta.text) == ("a", "A")
    assert [one.camera_id for one in first.more] == ["b", "a"]
    assert (second.camera_id, len(second.more)) == ("c", 0)
    outbox.text("b", "later")
    assert first.more[0].delta.text == "B"
    outbox.close()
    last = await outbox.next_joined()
    assert last is not None
    assert last.delta.text == "later"
    assert await outbox.next_joined() is None
