from hermes.v1 import memory_pb2 as _memory_pb2
from hermes.v1 import query_pb2 as _query_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerServiceAskRequest(_message.Message):
    __slots__ = ("question", "epoch")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    question: _query_pb2.Question
    epoch: int
    def __init__(self, question: _Optional[_Union[_query_pb2.Question, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceAskResponse(_message.Message):
    __slots__ = ("delta", "complete")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    delta: _query_pb2.Delta
    complete: _query_pb2.Complete
    def __init__(self, delta: _Optional[_Union[_query_pb2.Delta, _Mapping]] = ..., complete: _Optional[_Union[_query_pb2.Complete, _Mapping]] = ...) -> None: ...

class WorkerServiceInspectRequest(_message.Message):
    __slots__ = ("camera_id", "epoch")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    epoch: int
    def __init__(self, camera_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceInspectResponse(_message.Message):
    __slots__ = ("contents",)
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    contents: _memory_pb2.MemoryContents
    def __init__(self, contents: _Optional[_Union[_memory_pb2.MemoryContents, _Mapping]] = ...) -> None: ...
