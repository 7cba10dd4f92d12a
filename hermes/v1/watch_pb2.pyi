import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hermes.v1 import event_pb2 as _event_pb2
from hermes.v1 import query_pb2 as _query_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GapRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_RULE_UNSPECIFIED: _ClassVar[GapRule]
    GAP_RULE_HOLD: _ClassVar[GapRule]
    GAP_RULE_CLOSE: _ClassVar[GapRule]
GAP_RULE_UNSPECIFIED: GapRule
GAP_RULE_HOLD: GapRule
GAP_RULE_CLOSE: GapRule

class WatchServiceCreateRequest(_message.Message):
    __slots__ = ("watch",)
    WATCH_FIELD_NUMBER: _ClassVar[int]
    watch: Watch
    def __init__(self, watch: _Optional[_Union[Watch, _Mapping]] = ...) -> None: ...

class WatchServiceCreateResponse(_message.Message):
    __slots__ = ("watch",)
    WATCH_FIELD_NUMBER: _ClassVar[int]
    watch: WatchInfo
    def __init__(self, watch: _Optional[_Union[WatchInfo, _Mapping]] = ...) -> None: ...

class WatchServiceGetRequest(_message.Message):
    __slots__ = ("watch_id",)
    WATCH_ID_FIELD_NUMBER: _ClassVar[int]
    watch_id: str
    def __init__(self, watch_id: _Optional[str] = ...) -> None: ...

class WatchServiceGetResponse(_message.Message):
    __slots__ = ("watch",)
    WATCH_FIELD_NUMBER: _ClassVar[int]
    watch: WatchInfo
    def __init__(self, watch: _Optional[_Union[WatchInfo, _Mapping]] = ...) -> None: ...

class WatchServiceListRequest(_message.Message):
    __slots__ = ("camera_id",)
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    def __init__(self, camera_id: _Optional[str] = ...) -> None: ...

class WatchServiceListResponse(_message.Message):
    __slots__ = ("watches",)
    WATCHES_FIELD_NUMBER: _ClassVar[int]
    watches: _containers.RepeatedCompositeFieldContainer[WatchInfo]
    def __init__(self, watches: _Optional[_Iterable[_Union[WatchInfo, _Mapping]]] = ...) -> None: ...

class WatchServiceUpdateRequest(_message.Message):
    __slots__ = ("watch", "update_mask")
    WATCH_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    watch: Watch
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, watch: _Optional[_Union[Watch, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class WatchServiceUpdateResponse(_message.Message):
    __slots__ = ("watch",)
    WATCH_FIELD_NUMBER: _ClassVar[int]
    watch: WatchInfo
    def __init__(self, watch: _Optional[_Union[WatchInfo, _Mapping]] = ...) -> None: ...

class WatchServiceDeleteRequest(_message.Message):
    __slots__ = ("watch_id",)
    WATCH_ID_FIELD_NUMBER: _ClassVar[int]
    watch_id: str
    def __init__(self, watch_id: _Optional[str] = ...) -> None: ...

class WatchServiceDeleteResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchServiceTryRequest(_message.Message):
    __slots__ = ("watch", "evidence")
    WATCH_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    watch: Watch
    evidence: _query_pb2.EvidenceRequest
    def __init__(self, watch: _Optional[_Union[Watch, _Mapping]] = ..., evidence: _Optional[_Union[_query_pb2.EvidenceRequest, _Mapping]] = ...) -> None: ...

class WatchServiceTryResponse(_message.Message):
    __slots__ = ("camera_id", "evaluation", "error", "evidence")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    evaluation: Evaluation
    error: _query_pb2.CameraError
    evidence: _query_pb2.Evidence
    def __init__(self, camera_id: _Optional[str] = ..., evaluation: _Optional[_Union[Evaluation, _Mapping]] = ..., error: _Optional[_Union[_query_pb2.CameraError, _Mapping]] = ..., evidence: _Optional[_Union[_query_pb2.Evidence, _Mapping]] = ...) -> None: ...

class Watch(_message.Message):
    __slots__ = ("id", "display_name", "text", "cameras", "yes_no", "choices", "number", "diary", "trigger", "severity", "labels", "hours", "paused", "sinks", "every", "heartbeat", "created", "version", "within", "created_by")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    YES_NO_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DIARY_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    SINKS_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    display_name: str
    text: str
    cameras: _query_pb2.CameraSelector
    yes_no: YesNo
    choices: _query_pb2.Choices
    number: Number
    diary: Diary
    trigger: Trigger
    severity: _event_pb2.Severity
    labels: _containers.ScalarMap[str, str]
    hours: Hours
    paused: bool
    sinks: _containers.RepeatedScalarFieldContainer[str]
    every: _duration_pb2.Duration
    heartbeat: _duration_pb2.Duration
    created: _timestamp_pb2.Timestamp
    version: int
    within: _containers.RepeatedScalarFieldContainer[str]
    created_by: str
    def __init__(self, id: _Optional[str] = ..., display_name: _Optional[str] = ..., text: _Optional[str] = ..., cameras: _Optional[_Union[_query_pb2.CameraSelector, _Mapping]] = ..., yes_no: _Optional[_Union[YesNo, _Mapping]] = ..., choices: _Optional[_Union[_query_pb2.Choices, _Mapping]] = ..., number: _Optional[_Union[Number, _Mapping]] = ..., diary: _Optional[_Union[Diary, _Mapping]] = ..., trigger: _Optional[_Union[Trigger, _Mapping]] = ..., severity: _Optional[_Union[_event_pb2.Severity, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., hours: _Optional[_Union[Hours, _Mapping]] = ..., paused: _Optional[bool] = ..., sinks: _Optional[_Iterable[str]] = ..., every: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., within: _Optional[_Iterable[str]] = ..., created_by: _Optional[str] = ...) -> None: ...

class YesNo(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Number(_message.Message):
    __slots__ = ("least", "most", "decimals")
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    least: float
    most: float
    decimals: int
    def __init__(self, least: _Optional[float] = ..., most: _Optional[float] = ..., decimals: _Optional[int] = ...) -> None: ...

class Diary(_message.Message):
    __slots__ = ("interval", "max_tokens")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    max_tokens: int
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_tokens: _Optional[int] = ...) -> None: ...

class Trigger(_message.Message):
    __slots__ = ("above", "below", "equals", "changes", "rate", "hold", "cooldown", "cooldown_overall", "gap")
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    EQUALS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_OVERALL_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    above: Threshold
    below: Threshold
    equals: OneOf
    changes: ChoiceChange
    rate: Rate
    hold: _duration_pb2.Duration
    cooldown: _duration_pb2.Duration
    cooldown_overall: _duration_pb2.Duration
    gap: GapRule
    def __init__(self, above: _Optional[_Union[Threshold, _Mapping]] = ..., below: _Optional[_Union[Threshold, _Mapping]] = ..., equals: _Optional[_Union[OneOf, _Mapping]] = ..., changes: _Optional[_Union[ChoiceChange, _Mapping]] = ..., rate: _Optional[_Union[Rate, _Mapping]] = ..., hold: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cooldown: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cooldown_overall: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., gap: _Optional[_Union[GapRule, str]] = ...) -> None: ...

class Threshold(_message.Message):
    __slots__ = ("value", "clear")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    value: float
    clear: float
    def __init__(self, value: _Optional[float] = ..., clear: _Optional[float] = ...) -> None: ...

class OneOf(_message.Message):
    __slots__ = ("choices", "probability", "clear")
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    choices: _containers.RepeatedScalarFieldContainer[str]
    probability: float
    clear: float
    def __init__(self, choices: _Optional[_Iterable[str]] = ..., probability: _Optional[float] = ..., clear: _Optional[float] = ...) -> None: ...

class ChoiceChange(_message.Message):
    __slots__ = ("probability",)
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    probability: float
    def __init__(self, probability: _Optional[float] = ...) -> None: ...

class Rate(_message.Message):
    __slots__ = ("per_minute", "window")
    PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    per_minute: float
    window: _duration_pb2.Duration
    def __init__(self, per_minute: _Optional[float] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Hours(_message.Message):
    __slots__ = ("time_zone", "spans")
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    spans: _containers.RepeatedCompositeFieldContainer[HoursOfDays]
    def __init__(self, time_zone: _Optional[str] = ..., spans: _Optional[_Iterable[_Union[HoursOfDays, _Mapping]]] = ...) -> None: ...

class HoursOfDays(_message.Message):
    __slots__ = ("days", "start_minute", "end_minute")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    START_MINUTE_FIELD_NUMBER: _ClassVar[int]
    END_MINUTE_FIELD_NUMBER: _ClassVar[int]
    days: _containers.RepeatedScalarFieldContainer[int]
    start_minute: int
    end_minute: int
    def __init__(self, days: _Optional[_Iterable[int]] = ..., start_minute: _Optional[int] = ..., end_minute: _Optional[int] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("captured", "value", "choices", "answer", "holds")
    CAPTURED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    captured: _timestamp_pb2.Timestamp
    value: float
    choices: _containers.RepeatedCompositeFieldContainer[_query_pb2.ChoiceProbability]
    answer: str
    holds: bool
    def __init__(self, captured: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., value: _Optional[float] = ..., choices: _Optional[_Iterable[_Union[_query_pb2.ChoiceProbability, _Mapping]]] = ..., answer: _Optional[str] = ..., holds: _Optional[bool] = ...) -> None: ...

class WatchInfo(_message.Message):
    __slots__ = ("watch", "cameras", "open_events", "message")
    WATCH_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    OPEN_EVENTS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    watch: Watch
    cameras: int
    open_events: int
    message: str
    def __init__(self, watch: _Optional[_Union[Watch, _Mapping]] = ..., cameras: _Optional[int] = ..., open_events: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...
