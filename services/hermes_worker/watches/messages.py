"""Events as messages."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.v1 import event_pb2
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Event
from hermes.v1.watch_pb2 import Watch
from services.hermes_worker.watches.trigger import Closed, End, Opened

_ENDS = {
    End.CLEARED: event_pb2.EVENT_END_CLEARED,
    End.GAP: event_pb2.EVENT_END_GAP,
    End.WATCH: event_pb2.EVENT_END_WATCH,
    End.CAMERA: event_pb2.EVENT_END_CAMERA,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame that shows what an event is about."""

    number: int
    captured_ms: int
    media_ms: int | None
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Of:
    """What all messages of one watch and camera have in common."""

    watch: Watch
    camera: Camera
    epoch: int
    model: str

    def opened(self, step: Opened, pictures: list[Picture], now_ms: int) -> Event:
        """The first message about an event."""
        event = self._event(step.event_id, event_pb2.EVENT_TYPE_OPENED, step.since_ms)
        event.value = event.peak = step.value
        event.answer = step.answer
        event.sequence = 1
        event.lag.FromMilliseconds(max(0, now_ms - step.at_ms))
        for picture in pictures:
            frame = event.evidence.add(frame=picture.number, picture=picture.jpeg)
            frame.captured.FromMilliseconds(picture.captured_ms)
            if picture.media_ms is not None:
                frame.media.FromMilliseconds(picture.media_ms)
        return event

    def updated(self, opened: Event, sentence: str, sequence: int) -> Event:
        """A message that says in words what is to be seen."""
        event = Event()
        event.CopyFrom(opened)
        event.type, event.sentence = event_pb2.EVENT_TYPE_UPDATED, sentence
        event.sequence = sequence
        event.ClearField("evidence")
        return event

    def closed(self, step: Closed, sequence: int, now_ms: int) -> Event:
        """The last message about an event."""
        event = self._event(step.event_id, event_pb2.EVENT_TYPE_CLOSED, step.opened_ms)
        event.closed.FromMilliseconds(step.at_ms)
        event.value, event.peak = step.value, step.peak
        event.end = _ENDS[step.end]
        event.sequence = sequence
        event.lag.FromMilliseconds(max(0, now_ms - step.at_ms))
        return event

    def note(self, event_id: str, text: str, at_ms: int, now_ms: int) -> Event:
        """A note of a diary."""
        event = self._event(event_id, event_pb2.EVENT_TYPE_NOTE, at_ms)
        event.closed.FromMilliseconds(at_ms)
        event.answer, event.sequence = text, 1
        event.lag.FromMilliseconds(max(0, now_ms - at_ms))
        return event

    def _event(self, event_id: str, kind: event_pb2.EventType, opened_ms: int) -> Event:
        watch, camera = self.watch, self.camera
        event = Event(
            id=event_id,
            type=kind,
            watch_id=watch.id,
            camera_id=camera.id,
            camera_display_name=camera.display_name,
            severity=watch.severity,
            labels=watch.labels,
            question=watch.text,
            epoch=self.epoch,
            sinks=watch.sinks,
            model=self.model,
        )
        event.opened.FromMilliseconds(opened_ms)
        return event
