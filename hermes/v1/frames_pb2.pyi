from hermes.v1 import camera_pb2 as _camera_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Frame(_message.Message):
    __slots__ = ("jpeg", "capture_time_ms", "media_time_ms")
    JPEG_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    jpeg: bytes
    capture_time_ms: int
    media_time_ms: int
    def __init__(self, jpeg: _Optional[bytes] = ..., capture_time_ms: _Optional[int] = ..., media_time_ms: _Optional[int] = ...) -> None: ...

class FrameChunk(_message.Message):
    __slots__ = ("camera_id", "epoch", "first_frame_index", "frames", "live", "discontinuity", "dropped_before", "gap_reason")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_FRAME_INDEX_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    DISCONTINUITY_FIELD_NUMBER: _ClassVar[int]
    DROPPED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    GAP_REASON_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    epoch: int
    first_frame_index: int
    frames: _containers.RepeatedCompositeFieldContainer[Frame]
    live: bool
    discontinuity: bool
    dropped_before: int
    gap_reason: _camera_pb2.GapReason
    def __init__(self, camera_id: _Optional[str] = ..., epoch: _Optional[int] = ..., first_frame_index: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[Frame, _Mapping]]] = ..., live: _Optional[bool] = ..., discontinuity: _Optional[bool] = ..., dropped_before: _Optional[int] = ..., gap_reason: _Optional[_Union[_camera_pb2.GapReason, str]] = ...) -> None: ...
