"""Which events a caller wants, of those that it may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from hermes.errors import InvalidInput
from hermes.selector import Selector
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import Event, EventFilter, Severity
from hermes.v1.query_pb2 import CameraSelector
from services.common.cameras import check_id
from services.common.event_record import Indexed, is_open
from services.common.times import is_time

MOST_IDS = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter that was read. An empty set, None and 0 filter nothing."""

    watches: frozenset[str] = frozenset()
    camera_ids: frozenset[str] = frozenset()
    labels: Selector = field(default_factory=Selector)
    at_least: int = 0
    only_open: bool = False
    after_ns: int | None = None
    before_ns: int | None = None

    @classmethod
    def read(cls, filter_: EventFilter) -> Wanted:
        """Raises `InvalidInput` naming the field that makes no sense."""
        _check_ids(filter_.watch_ids, "filter.watch_ids")
        selector = read_cameras(filter_.cameras, "filter.cameras")
        if filter_.at_least not in Severity.values():
            raise InvalidInput("filter.at_least", "is not a known severity")
        return cls(
            frozenset(filter_.watch_ids),
            frozenset(filter_.cameras.camera_ids),
            selector,
            filter_.at_least,
            filter_.only_open,
            _time(filter_, "opened_after"),
            _time(filter_, "opened_before"),
        )

    @property
    def by_labels(self) -> bool:
        """Whether the cameras' labels matter."""
        return bool(self.labels.requirements)

    def accepts_indexed(self, indexed: Indexed, cameras: Mapping[str, Camera]) -> bool:
        """Whether the event may be wanted, by what the index says. `cameras`: if `by_labels`."""
        if self.watches and indexed.watch_id not in self.watches:
            return False
        if self.camera_ids and indexed.camera_id not in self.camera_ids:
            return False
        if indexed.severity < self.at_least:
            return False
        if not self.by_labels:
            return True
        camera = cameras.get(indexed.camera_id)
        return camera is not None and self.labels.matches(camera.labels)

    def accepts(self, event: Event, cameras: Mapping[str, Camera]) -> bool:
        """Whether the event is wanted, as of this message."""
        if not self.accepts_indexed(Indexed.of(event), cameras):
            return False
        opened = event.opened.ToNanoseconds()
        if self.after_ns is not None and opened <= self.after_ns:
            return False
        if self.before_ns is not None and opened >= self.before_ns:
            return False
        return not self.only_open or is_open(event)


def read_cameras(cameras: CameraSelector, field_name: str) -> Selector:
    """The labels of a selector of cameras. Raises `InvalidInput` if it makes no sense."""
    if cameras.camera_ids and cameras.labels:
        raise InvalidInput(field_name, "camera_ids and labels exclude each other")
    _check_ids(cameras.camera_ids, f"{field_name}.camera_ids")
    return Selector.parse(cameras.labels, f"{field_name}.labels")


def _check_ids(ids: Iterable[str], field_name: str) -> None:
    listed = list(ids)
    if len(listed) > MOST_IDS:
        raise InvalidInput(field_name, f"has {len(listed)} ids; {MOST_IDS} are allowed")
    for one in listed:
        check_id(one, field_name)


def _time(filter_: EventFilter, name: str) -> int | None:
    if not filter_.HasField(name):
        return None
    stamp: Timestamp = getattr(filter_, name)
    if not is_time(stamp):
        raise InvalidInput(f"filter.{name}", "is not a time from 1970 to 9999")
    return stamp.ToNanoseconds()
