"""The watches of one camera: what is asked, what is written, and what outlives an owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import redis

from hermes.errors import Unavailable
from hermes.v1.event_pb2 import EVENT_END_WATCH, Event
from hermes.v1.query_pb2 import Choices
from hermes.v1.watch_pb2 import Hours, HoursOfDays, Watch
from services.common.event_log import Appended, EventLog
from services.common.frame_log import Fenced
from services.common.leases import Lease
from tests.support.in_memory_events import InMemoryWatchState, WatchMemory
from tests.support.watched import WatchRig
from tests.support.watches import changes, choices, diary, duration, yes_no

NIGHT = range(10, 20)
"""The seconds of an event."""


def by_night(text: str, at_ms: int) -> Mapping[str, float]:
    yes = 0.95 if at_ms // 1000 in NIGHT else 0.02
    return {"yes": yes, "no": 1 - yes}


def rig(*watches: Watch, sentence: str = "") -> WatchRig:
    return WatchRig(by_night, watches or [yes_no(heartbeat=duration(1))], sentence=sentence)


def watched(made: WatchRig, seconds: Sequence[int] = range(30)) -> list[str]:
    for second in seconds:
        made.show(second)
    return made.told()


def test_an_event_opens_and_closes_with_what_is_seen() -> None:
    assert watched(rig()) == ["opened 10", "closed 20"]


def test_its_sentence_follows() -> None:
    assert watched(rig(sentence="What is there?")) == ["opened 10", "updated 10", "closed 20"]


def test_a_frame_that_changes_nothing_is_not_asked_about_before_the_heartbeat() -> None:
    made = rig(yes_no(heartbeat=duration(5)))
    for second in range(11):
        made.show(second, changed=second == 3)
    assert len(made.handle.asked) == 3  # 0, 3, 8


def test_a_round_in_which_nothing_changed_looks_at_no_watch() -> None:
    made = rig(*(yes_no(f"watch-{number}") for number in range(50)))
    made.show(1)
    before = made.handle.asked.copy()
    for _ in range(3):
        made.round()
    assert made.handle.asked == before


def test_what_could_not_be_asked_stays_due_and_counts_once() -> None:
    made = rig()
    made.handle.room = 0
    made.show(12)
    assert [made.round() for _ in range(3)] == [False] * 3
    assert made.counted("skipped") == 1
    made.handle.room = 1
    assert made.round()
    made.round()
    assert made.told() == ["opened 12"]


def test_a_change_that_comes_while_it_is_asked_is_not_overlooked() -> None:
    """The answer before it is late: the change is asked about right after it."""
    made = rig(yes_no(heartbeat=duration(600)))
    made.handle.slow = True
    made.show(5)
    made.show(10)
    made.show(11, changed=False)
    made.handle.answer(as_of_ms=5000)
    made.round()
    made.handle.answer()
    made.round()
    assert made.told() == ["opened 11"]


def test_what_waited_for_the_device_is_not_asked_again_of_the_same_frame() -> None:
    made = rig()
    made.handle.slow = True
    made.show(5)
    made.show(10)
    made.handle.answer()  # of the newest
    for _ in range(3):
        made.round()
    assert (made.told(), len(made.handle.asked)) == (["opened 10"], 1)


def test_a_successor_goes_on() -> None:
    made = rig()
    watched(made, range(15))
    made.take()
    assert watched(made, range(15, 30)) == ["opened 10", "closed 20"]
    assert len({event.id for event in made.log.messages}) == 1


def test_an_owner_that_was_replaced_asks_no_more() -> None:
    made = rig()
    watched(made, range(5))
    made.memory.owners.clear()
    with pytest.raises(Fenced):
        watched(made, range(10, 12))
    made.owner.stop()
    before = len(made.handle.asked)
    made.show(12)
    assert len(made.handle.asked) == before


def test_a_camera_that_is_left_hands_on_what_it_found() -> None:
    made = rig()
    made.show(9)
    made.now_ms = 10_000
    made.handle.show(10_000)
    made.round()
    made.take_answers()
    assert made.told() == []
    made.owner.leave()
    assert made.told() == ["opened 10"]


@pytest.mark.parametrize("when", ["the owner goes on", "a successor comes"])
def test_an_event_ends_for_those_who_heard_of_it(when: str) -> None:
    """A watch that was changed or removed: its event's last message is as its first."""
    made = rig(yes_no(version=1, sinks=["ward"]))
    watched(made, range(12))
    if when == "a successor comes":
        made.take()
    made.change(yes_no(version=2, sinks=["others"], text="Is it on fire?", paused=True))
    made.show(13)
    opened, closed = made.log.messages
    assert closed.end == EVENT_END_WATCH
    assert (closed.id, [*closed.sinks], closed.question, closed.severity) == (
        opened.id,
        ["ward"],
        opened.question,
        opened.severity,
    )
    assert made.memory.states["lobby"].keys() <= {"fall"}


def test_a_watch_that_is_removed_while_nobody_owns_the_camera_ends_its_event() -> None:
    made = rig(yes_no(sinks=["ward"]))
    watched(made, range(12))
    made.take()
    made.change()
    made.show(13)
    assert made.told()[-1].startswith("closed")
    assert made.log.messages[-1].sinks == ["ward"]
    assert made.memory.states["lobby"] == {}


def test_a_watch_that_is_removed_while_it_is_asked_opens_nothing() -> None:
    made = rig()
    made.handle.slow = True
    made.show(12)
    made.change()
    made.round()
    made.handle.answer()
    made.round()
    assert made.told() == []


def test_nothing_opens_out_of_hours_by_an_answer_that_is_late() -> None:
    minute = Hours(time_zone="UTC", spans=[HoursOfDays(days=[4], end_minute=1)])  # 1970-01-01
    made = rig(yes_no(hours=minute))
    made.handle.slow = True
    made.now_ms = 12_000
    made.handle.show(12_000)
    made.round()
    made.now_ms = 70_000
    made.round()
    made.handle.answer()
    made.round()
    assert made.told() == []


def test_a_full_outbox_is_emptied_once_the_log_is_back() -> None:
    made = rig(*(yes_no(f"watch-{number}") for number in range(3)))
    log = LogThatIsAway(made.log)
    made.take(lambda memory, lease, events: InMemoryWatchState(memory, lease, log, 3))
    watched(made, range(9))
    for second in range(10, 23):  # three messages wait, and three more do not fit
        with pytest.raises(redis.ConnectionError):
            made.show(second)
        made.take_answers()
    log.off = False
    watched(made, range(23, 26))
    assert sorted({told.split()[0] for told in made.told()}) == ["closed", "opened"]
    assert len(made.told()) == 6


class LogThatIsAway:
    """A log that is out of reach."""

    def __init__(self, log: EventLog) -> None:
        self.off = True
        self._log = log

    def append(self, event: Event) -> Appended:
        if self.off:
            raise redis.ConnectionError("off")
        return self._log.append(event)


def test_a_change_within_a_cooldown_is_remembered_by_a_successor() -> None:
    """It made no event, and makes none later."""
    watch = changes()
    watch.trigger.cooldown.FromSeconds(6)
    watch.heartbeat.FromSeconds(1)

    def gate(text: str, at_ms: int) -> Mapping[str, float]:
        now = {0: "open", 1: "shut"}.get(at_ms // 2000, "open")  # shut from 2 to 3
        return {choice: 0.9 if choice == now else 0.05 for choice in ("open", "shut", "ajar")}

    whole, replaced = WatchRig(gate, [watch]), WatchRig(gate, [watch])
    expected = watched(whole, range(20))
    watched(replaced, range(5))
    replaced.take()
    assert watched(replaced, range(5, 20)) == expected == ["opened 2", "closed 2"]


def test_a_choice_that_changed_is_said_in_words() -> None:
    def gate(text: str, at_ms: int) -> Mapping[str, float]:
        now = "open" if at_ms < 5000 else "shut"
        return {choice: 0.9 if choice == now else 0.05 for choice in ("open", "shut", "ajar")}

    made = WatchRig(gate, [changes()], sentence="What is there?")
    assert watched(made, range(8)) == ["opened 5", "closed 5", "updated 5"]


class Dies(Exception):
    """The owner's process ends here."""


class DyingState(InMemoryWatchState):
    """The owner dies right before it writes an event."""

    def write(self, states: Mapping[str, bytes | None], events: Sequence[Event] = ()) -> None:
        if events:
            raise Dies
        super().write(states, events)


def dying(memory: WatchMemory, lease: Lease, log: EventLog) -> InMemoryWatchState:
    return DyingState(memory, lease, log)


def test_a_cooldown_that_a_dead_owner_claimed_is_its_cameras_still() -> None:
    watch = yes_no(heartbeat=duration(1))
    watch.trigger.cooldown_overall.FromSeconds(600)
    made = rig(watch)
    made.take(dying)
    with pytest.raises(Dies):
        watched(made)
    made.take()
    assert watched(made, range(11, 30)) == ["opened 11", "closed 20"]


def test_a_diary_that_cannot_be_asked_is_asked_once_a_frame() -> None:
    made = rig(diary(5))
    made.handle.failure = Unavailable("no")
    for second in range(3):
        made.show(second)
        made.round()
    assert made.counted("failed") == 3
    made.handle.failure = None
    assert watched(made, range(3, 12)) == ["note 3", "note 8"]


def test_choices_open_by_probability_alone() -> None:
    watch = choices(heartbeat=duration(1))
    watch.choices.CopyFrom(Choices(texts=["open", "shut", "ajar"]))
    made = WatchRig(lambda text, at_ms: {"open": 0.45, "shut": 0.3, "ajar": 0.25}, [watch])
    assert watched(made) == []
