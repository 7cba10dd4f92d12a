import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from hermes.v1 import camera_pb2 as _camera_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Freshness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRESHNESS_UNSPECIFIED: _ClassVar[Freshness]
    FRESHNESS_LATEST: _ClassVar[Freshness]
    FRESHNESS_CACHED: _ClassVar[Freshness]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
FRESHNESS_UNSPECIFIED: Freshness
FRESHNESS_LATEST: Freshness
FRESHNESS_CACHED: Freshness
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason

class QueryServiceAskRequest(_message.Message):
    __slots__ = ("question",)
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    question: Question
    def __init__(self, question: _Optional[_Union[Question, _Mapping]] = ...) -> None: ...

class QueryServiceAskResponse(_message.Message):
    __slots__ = ("delta", "complete")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    delta: Delta
    complete: Complete
    def __init__(self, delta: _Optional[_Union[Delta, _Mapping]] = ..., complete: _Optional[_Union[Complete, _Mapping]] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("camera_id", "text", "max_tokens", "freshness")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    text: str
    max_tokens: int
    freshness: Freshness
    def __init__(self, camera_id: _Optional[str] = ..., text: _Optional[str] = ..., max_tokens: _Optional[int] = ..., freshness: _Optional[_Union[Freshness, str]] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Complete(_message.Message):
    __slots__ = ("finish_reason", "question_tokens", "answer_tokens", "timings", "epoch", "coverage", "model")
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    QUESTION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    finish_reason: FinishReason
    question_tokens: int
    answer_tokens: int
    timings: Timings
    epoch: int
    coverage: _camera_pb2.Coverage
    model: str
    def __init__(self, finish_reason: _Optional[_Union[FinishReason, str]] = ..., question_tokens: _Optional[int] = ..., answer_tokens: _Optional[int] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., epoch: _Optional[int] = ..., coverage: _Optional[_Union[_camera_pb2.Coverage, _Mapping]] = ..., model: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("warm_time_to_first_token", "fresh_time_to_first_token", "gateway_time_to_first_token", "queue", "time_per_output_token", "total")
    WARM_TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESH_TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TIME_PER_OUTPUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    warm_time_to_first_token: _duration_pb2.Duration
    fresh_time_to_first_token: _duration_pb2.Duration
    gateway_time_to_first_token: _duration_pb2.Duration
    queue: _duration_pb2.Duration
    time_per_output_token: _duration_pb2.Duration
    total: _duration_pb2.Duration
    def __init__(self, warm_time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., fresh_time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., gateway_time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., time_per_output_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
