import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hermes.v1 import query_pb2 as _query_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_INFO: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    EVENT_TYPE_OPENED: _ClassVar[EventType]
    EVENT_TYPE_UPDATED: _ClassVar[EventType]
    EVENT_TYPE_CLOSED: _ClassVar[EventType]
    EVENT_TYPE_NOTE: _ClassVar[EventType]

class EventEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_END_UNSPECIFIED: _ClassVar[EventEnd]
    EVENT_END_CLEARED: _ClassVar[EventEnd]
    EVENT_END_GAP: _ClassVar[EventEnd]
    EVENT_END_WATCH: _ClassVar[EventEnd]
    EVENT_END_CAMERA: _ClassVar[EventEnd]
SEVERITY_UNSPECIFIED: Severity
SEVERITY_INFO: Severity
SEVERITY_WARNING: Severity
SEVERITY_CRITICAL: Severity
EVENT_TYPE_UNSPECIFIED: EventType
EVENT_TYPE_OPENED: EventType
EVENT_TYPE_UPDATED: EventType
EVENT_TYPE_CLOSED: EventType
EVENT_TYPE_NOTE: EventType
EVENT_END_UNSPECIFIED: EventEnd
EVENT_END_CLEARED: EventEnd
EVENT_END_GAP: EventEnd
EVENT_END_WATCH: EventEnd
EVENT_END_CAMERA: EventEnd

class EventServiceListRequest(_message.Message):
    __slots__ = ("filter", "limit", "before_id")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_ID_FIELD_NUMBER: _ClassVar[int]
    filter: EventFilter
    limit: int
    before_id: str
    def __init__(self, filter: _Optional[_Union[EventFilter, _Mapping]] = ..., limit: _Optional[int] = ..., before_id: _Optional[str] = ...) -> None: ...

class EventServiceListResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class EventServiceFollowRequest(_message.Message):
    __slots__ = ("filter", "after")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    filter: EventFilter
    after: str
    def __init__(self, filter: _Optional[_Union[EventFilter, _Mapping]] = ..., after: _Optional[str] = ...) -> None: ...

class EventServiceFollowResponse(_message.Message):
    __slots__ = ("event", "position", "missed")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    event: Event
    position: str
    missed: bool
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ..., position: _Optional[str] = ..., missed: _Optional[bool] = ...) -> None: ...

class EventServiceGetRequest(_message.Message):
    __slots__ = ("event_id",)
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    def __init__(self, event_id: _Optional[str] = ...) -> None: ...

class EventServiceGetResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class EventServiceAcknowledgeRequest(_message.Message):
    __slots__ = ("event_id", "note")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    note: str
    def __init__(self, event_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class EventServiceAcknowledgeResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class EventFilter(_message.Message):
    __slots__ = ("watch_ids", "cameras", "at_least", "only_open", "opened_after", "opened_before")
    WATCH_IDS_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    ONLY_OPEN_FIELD_NUMBER: _ClassVar[int]
    OPENED_AFTER_FIELD_NUMBER: _ClassVar[int]
    OPENED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    watch_ids: _containers.RepeatedScalarFieldContainer[str]
    cameras: _query_pb2.CameraSelector
    at_least: Severity
    only_open: bool
    opened_after: _timestamp_pb2.Timestamp
    opened_before: _timestamp_pb2.Timestamp
    def __init__(self, watch_ids: _Optional[_Iterable[str]] = ..., cameras: _Optional[_Union[_query_pb2.CameraSelector, _Mapping]] = ..., at_least: _Optional[_Union[Severity, str]] = ..., only_open: _Optional[bool] = ..., opened_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opened_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("id", "type", "watch_id", "camera_id", "camera_display_name", "severity", "labels", "question", "opened", "closed", "end", "value", "peak", "answer", "sentence", "evidence", "acknowledgement", "epoch", "sinks", "lag", "model", "sequence")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    WATCH_ID_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    CAMERA_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PEAK_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: EventType
    watch_id: str
    camera_id: str
    camera_display_name: str
    severity: Severity
    labels: _containers.ScalarMap[str, str]
    question: str
    opened: _timestamp_pb2.Timestamp
    closed: _timestamp_pb2.Timestamp
    end: EventEnd
    value: float
    peak: float
    answer: str
    sentence: str
    evidence: _containers.RepeatedCompositeFieldContainer[_query_pb2.EvidenceFrame]
    acknowledgement: Acknowledgement
    epoch: int
    sinks: _containers.RepeatedScalarFieldContainer[str]
    lag: _duration_pb2.Duration
    model: str
    sequence: int
    def __init__(self, id: _Optional[str] = ..., type: _Optional[_Union[EventType, str]] = ..., watch_id: _Optional[str] = ..., camera_id: _Optional[str] = ..., camera_display_name: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., question: _Optional[str] = ..., opened: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., closed: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[EventEnd, str]] = ..., value: _Optional[float] = ..., peak: _Optional[float] = ..., answer: _Optional[str] = ..., sentence: _Optional[str] = ..., evidence: _Optional[_Iterable[_Union[_query_pb2.EvidenceFrame, _Mapping]]] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ..., epoch: _Optional[int] = ..., sinks: _Optional[_Iterable[str]] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., model: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("by", "at", "note")
    BY_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    by: str
    at: _timestamp_pb2.Timestamp
    note: str
    def __init__(self, by: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...
