from hermes.v1 import camera_pb2 as _camera_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProbeJob(_message.Message):
    __slots__ = ("id", "camera", "thumbnail", "deadline_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    camera: _camera_pb2.Camera
    thumbnail: bool
    deadline_ms: int
    def __init__(self, id: _Optional[str] = ..., camera: _Optional[_Union[_camera_pb2.Camera, _Mapping]] = ..., thumbnail: _Optional[bool] = ..., deadline_ms: _Optional[int] = ...) -> None: ...
