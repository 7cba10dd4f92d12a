import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hermes.v1 import camera_pb2 as _camera_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
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

class QueryServiceAskManyRequest(_message.Message):
    __slots__ = ("question", "merge", "joined")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    MERGE_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    question: Question
    merge: bool
    joined: bool
    def __init__(self, question: _Optional[_Union[Question, _Mapping]] = ..., merge: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class QueryServiceAskManyResponse(_message.Message):
    __slots__ = ("camera_id", "delta", "complete", "error", "cameras", "more")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    delta: Delta
    complete: Complete
    error: CameraError
    cameras: AskedCameras
    more: _containers.RepeatedCompositeFieldContainer[QueryServiceAskManyResponse]
    def __init__(self, camera_id: _Optional[str] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ..., complete: _Optional[_Union[Complete, _Mapping]] = ..., error: _Optional[_Union[CameraError, _Mapping]] = ..., cameras: _Optional[_Union[AskedCameras, _Mapping]] = ..., more: _Optional[_Iterable[_Union[QueryServiceAskManyResponse, _Mapping]]] = ...) -> None: ...

class AskedCameras(_message.Message):
    __slots__ = ("camera_ids",)
    CAMERA_IDS_FIELD_NUMBER: _ClassVar[int]
    camera_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, camera_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CameraError(_message.Message):
    __slots__ = ("code", "reason", "message", "retry_after")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    retry_after: _duration_pb2.Duration
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class QueryServiceGetEvidenceRequest(_message.Message):
    __slots__ = ("answer_id", "evidence", "camera_id")
    ANSWER_ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    answer_id: str
    evidence: EvidenceRequest
    camera_id: str
    def __init__(self, answer_id: _Optional[str] = ..., evidence: _Optional[_Union[EvidenceRequest, _Mapping]] = ..., camera_id: _Optional[str] = ...) -> None: ...

class QueryServiceGetEvidenceResponse(_message.Message):
    __slots__ = ("evidence",)
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    evidence: Evidence
    def __init__(self, evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class QueryServiceAskResponse(_message.Message):
    __slots__ = ("delta", "complete")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    delta: Delta
    complete: Complete
    def __init__(self, delta: _Optional[_Union[Delta, _Mapping]] = ..., complete: _Optional[_Union[Complete, _Mapping]] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("camera_id", "text", "max_tokens", "freshness", "cameras", "span", "turns", "choices", "json_schema", "regex", "evidence", "decoding")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    REGEX_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    text: str
    max_tokens: int
    freshness: Freshness
    cameras: CameraSelector
    span: QuestionSpan
    turns: _containers.RepeatedCompositeFieldContainer[Turn]
    choices: Choices
    json_schema: str
    regex: str
    evidence: EvidenceRequest
    decoding: Decoding
    def __init__(self, camera_id: _Optional[str] = ..., text: _Optional[str] = ..., max_tokens: _Optional[int] = ..., freshness: _Optional[_Union[Freshness, str]] = ..., cameras: _Optional[_Union[CameraSelector, _Mapping]] = ..., span: _Optional[_Union[QuestionSpan, _Mapping]] = ..., turns: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., choices: _Optional[_Union[Choices, _Mapping]] = ..., json_schema: _Optional[str] = ..., regex: _Optional[str] = ..., evidence: _Optional[_Union[EvidenceRequest, _Mapping]] = ..., decoding: _Optional[_Union[Decoding, _Mapping]] = ...) -> None: ...

class CameraSelector(_message.Message):
    __slots__ = ("camera_ids", "labels")
    CAMERA_IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    camera_ids: _containers.RepeatedScalarFieldContainer[str]
    labels: str
    def __init__(self, camera_ids: _Optional[_Iterable[str]] = ..., labels: _Optional[str] = ...) -> None: ...

class QuestionSpan(_message.Message):
    __slots__ = ("last", "start", "end", "media_start", "media_end")
    LAST_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    MEDIA_START_FIELD_NUMBER: _ClassVar[int]
    MEDIA_END_FIELD_NUMBER: _ClassVar[int]
    last: _duration_pb2.Duration
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    media_start: _duration_pb2.Duration
    media_end: _duration_pb2.Duration
    def __init__(self, last: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media_start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., media_end: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("question", "answer")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    question: str
    answer: str
    def __init__(self, question: _Optional[str] = ..., answer: _Optional[str] = ...) -> None: ...

class Choices(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class EvidenceRequest(_message.Message):
    __slots__ = ("frames", "pictures")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    frames: int
    pictures: bool
    def __init__(self, frames: _Optional[int] = ..., pictures: _Optional[bool] = ...) -> None: ...

class Decoding(_message.Message):
    __slots__ = ("temperature", "top_p", "top_k", "seed", "repetition_penalty", "stop", "logprobs")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_p: float
    top_k: int
    seed: int
    repetition_penalty: float
    stop: _containers.RepeatedScalarFieldContainer[str]
    logprobs: bool
    def __init__(self, temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., top_k: _Optional[int] = ..., seed: _Optional[int] = ..., repetition_penalty: _Optional[float] = ..., stop: _Optional[_Iterable[str]] = ..., logprobs: _Optional[bool] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Complete(_message.Message):
    __slots__ = ("finish_reason", "question_tokens", "answer_tokens", "timings", "epoch", "coverage", "model", "answer_id", "span", "choices", "evidence", "dropped_turns", "logprobs", "shortened_answers")
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    QUESTION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ANSWER_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    DROPPED_TURNS_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    SHORTENED_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    finish_reason: FinishReason
    question_tokens: int
    answer_tokens: int
    timings: Timings
    epoch: int
    coverage: _camera_pb2.Coverage
    model: str
    answer_id: str
    span: SpanCoverage
    choices: _containers.RepeatedCompositeFieldContainer[ChoiceProbability]
    evidence: Evidence
    dropped_turns: int
    logprobs: _containers.RepeatedCompositeFieldContainer[TokenLogprob]
    shortened_answers: int
    def __init__(self, finish_reason: _Optional[_Union[FinishReason, str]] = ..., question_tokens: _Optional[int] = ..., answer_tokens: _Optional[int] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., epoch: _Optional[int] = ..., coverage: _Optional[_Union[_camera_pb2.Coverage, _Mapping]] = ..., model: _Optional[str] = ..., answer_id: _Optional[str] = ..., span: _Optional[_Union[SpanCoverage, _Mapping]] = ..., choices: _Optional[_Iterable[_Union[ChoiceProbability, _Mapping]]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ..., dropped_turns: _Optional[int] = ..., logprobs: _Optional[_Iterable[_Union[TokenLogprob, _Mapping]]] = ..., shortened_answers: _Optional[int] = ...) -> None: ...

class SpanCoverage(_message.Message):
    __slots__ = ("span", "frames", "whole", "thinned", "forgotten", "unseen", "media_start", "media_end")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    THINNED_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    MEDIA_START_FIELD_NUMBER: _ClassVar[int]
    MEDIA_END_FIELD_NUMBER: _ClassVar[int]
    span: _camera_pb2.TimeSpan
    frames: int
    whole: _duration_pb2.Duration
    thinned: _duration_pb2.Duration
    forgotten: _duration_pb2.Duration
    unseen: _duration_pb2.Duration
    media_start: _duration_pb2.Duration
    media_end: _duration_pb2.Duration
    def __init__(self, span: _Optional[_Union[_camera_pb2.TimeSpan, _Mapping]] = ..., frames: _Optional[int] = ..., whole: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., thinned: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., forgotten: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unseen: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., media_start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., media_end: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ChoiceProbability(_message.Message):
    __slots__ = ("text", "probability", "logprob", "tokens")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    text: str
    probability: float
    logprob: float
    tokens: int
    def __init__(self, text: _Optional[str] = ..., probability: _Optional[float] = ..., logprob: _Optional[float] = ..., tokens: _Optional[int] = ...) -> None: ...

class TokenLogprob(_message.Message):
    __slots__ = ("token", "text", "logprob")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    token: int
    text: str
    logprob: float
    def __init__(self, token: _Optional[int] = ..., text: _Optional[str] = ..., logprob: _Optional[float] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("frames", "logprob", "largest_fall", "readings")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_FIELD_NUMBER: _ClassVar[int]
    LARGEST_FALL_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[EvidenceFrame]
    logprob: float
    largest_fall: float
    readings: int
    def __init__(self, frames: _Optional[_Iterable[_Union[EvidenceFrame, _Mapping]]] = ..., logprob: _Optional[float] = ..., largest_fall: _Optional[float] = ..., readings: _Optional[int] = ...) -> None: ...

class EvidenceFrame(_message.Message):
    __slots__ = ("captured", "media", "frame", "logprob_without", "picture")
    CAPTURED_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    LOGPROB_WITHOUT_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    captured: _timestamp_pb2.Timestamp
    media: _duration_pb2.Duration
    frame: int
    logprob_without: float
    picture: bytes
    def __init__(self, captured: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., frame: _Optional[int] = ..., logprob_without: _Optional[float] = ..., picture: _Optional[bytes] = ...) -> None: ...

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
