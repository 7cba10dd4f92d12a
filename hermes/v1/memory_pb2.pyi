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

class MemoryBand(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMORY_BAND_UNSPECIFIED: _ClassVar[MemoryBand]
    MEMORY_BAND_SENSORY: _ClassVar[MemoryBand]
    MEMORY_BAND_WORKING: _ClassVar[MemoryBand]
    MEMORY_BAND_LONG_TERM: _ClassVar[MemoryBand]
MEMORY_BAND_UNSPECIFIED: MemoryBand
MEMORY_BAND_SENSORY: MemoryBand
MEMORY_BAND_WORKING: MemoryBand
MEMORY_BAND_LONG_TERM: MemoryBand

class MemoryServiceListFramesRequest(_message.Message):
    __slots__ = ("query",)
    QUERY_FIELD_NUMBER: _ClassVar[int]
    query: FrameQuery
    def __init__(self, query: _Optional[_Union[FrameQuery, _Mapping]] = ...) -> None: ...

class MemoryServiceListFramesResponse(_message.Message):
    __slots__ = ("frame",)
    FRAME_FIELD_NUMBER: _ClassVar[int]
    frame: FramePicture
    def __init__(self, frame: _Optional[_Union[FramePicture, _Mapping]] = ...) -> None: ...

class FrameQuery(_message.Message):
    __slots__ = ("camera_id", "start", "end", "limit", "newest_first", "without_pictures")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_PICTURES_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    limit: int
    newest_first: bool
    without_pictures: bool
    def __init__(self, camera_id: _Optional[str] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ..., newest_first: _Optional[bool] = ..., without_pictures: _Optional[bool] = ...) -> None: ...

class FramePicture(_message.Message):
    __slots__ = ("captured", "media", "frame", "jpeg", "bytes")
    CAPTURED_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    captured: _timestamp_pb2.Timestamp
    media: _duration_pb2.Duration
    frame: int
    jpeg: bytes
    bytes: int
    def __init__(self, captured: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., frame: _Optional[int] = ..., jpeg: _Optional[bytes] = ..., bytes: _Optional[int] = ...) -> None: ...

class MemoryServiceInspectRequest(_message.Message):
    __slots__ = ("camera_id",)
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    def __init__(self, camera_id: _Optional[str] = ...) -> None: ...

class MemoryServiceInspectResponse(_message.Message):
    __slots__ = ("contents",)
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    contents: MemoryContents
    def __init__(self, contents: _Optional[_Union[MemoryContents, _Mapping]] = ...) -> None: ...

class MemoryContents(_message.Message):
    __slots__ = ("policy", "budget", "tokens", "bytes", "frame_tokens", "frames_seen", "epoch", "model", "frame_steps", "time_steps", "gaps", "layers", "media_steps", "frame_taken")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FRAME_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_SEEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FRAME_STEPS_FIELD_NUMBER: _ClassVar[int]
    TIME_STEPS_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_STEPS_FIELD_NUMBER: _ClassVar[int]
    FRAME_TAKEN_FIELD_NUMBER: _ClassVar[int]
    policy: str
    budget: int
    tokens: int
    bytes: int
    frame_tokens: int
    frames_seen: int
    epoch: int
    model: str
    frame_steps: _containers.RepeatedScalarFieldContainer[int]
    time_steps: _containers.RepeatedScalarFieldContainer[int]
    gaps: _containers.RepeatedCompositeFieldContainer[_camera_pb2.TimeSpan]
    layers: _containers.RepeatedCompositeFieldContainer[LayerContents]
    media_steps: _containers.RepeatedScalarFieldContainer[int]
    frame_taken: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, policy: _Optional[str] = ..., budget: _Optional[int] = ..., tokens: _Optional[int] = ..., bytes: _Optional[int] = ..., frame_tokens: _Optional[int] = ..., frames_seen: _Optional[int] = ..., epoch: _Optional[int] = ..., model: _Optional[str] = ..., frame_steps: _Optional[_Iterable[int]] = ..., time_steps: _Optional[_Iterable[int]] = ..., gaps: _Optional[_Iterable[_Union[_camera_pb2.TimeSpan, _Mapping]]] = ..., layers: _Optional[_Iterable[_Union[LayerContents, _Mapping]]] = ..., media_steps: _Optional[_Iterable[int]] = ..., frame_taken: _Optional[_Iterable[int]] = ...) -> None: ...

class LayerContents(_message.Message):
    __slots__ = ("number", "band", "frame_steps", "tokens", "summaries")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    FRAME_STEPS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    number: int
    band: MemoryBand
    frame_steps: _containers.RepeatedScalarFieldContainer[int]
    tokens: _containers.RepeatedScalarFieldContainer[int]
    summaries: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, number: _Optional[int] = ..., band: _Optional[_Union[MemoryBand, str]] = ..., frame_steps: _Optional[_Iterable[int]] = ..., tokens: _Optional[_Iterable[int]] = ..., summaries: _Optional[_Iterable[int]] = ...) -> None: ...
