from hermes.v1 import memory_pb2 as _memory_pb2
from hermes.v1 import query_pb2 as _query_pb2
from hermes.v1 import watch_pb2 as _watch_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
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

class WorkerServiceAskManyRequest(_message.Message):
    __slots__ = ("question", "cameras")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    question: _query_pb2.Question
    cameras: _containers.RepeatedCompositeFieldContainer[CameraEpoch]
    def __init__(self, question: _Optional[_Union[_query_pb2.Question, _Mapping]] = ..., cameras: _Optional[_Iterable[_Union[CameraEpoch, _Mapping]]] = ...) -> None: ...

class CameraEpoch(_message.Message):
    __slots__ = ("camera_id", "epoch")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    epoch: int
    def __init__(self, camera_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceAskManyResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[CameraAnswerEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[CameraAnswerEvent, _Mapping]]] = ...) -> None: ...

class CameraAnswerEvent(_message.Message):
    __slots__ = ("camera_id", "delta", "complete", "error")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    delta: _query_pb2.Delta
    complete: _query_pb2.Complete
    error: _query_pb2.CameraError
    def __init__(self, camera_id: _Optional[str] = ..., delta: _Optional[_Union[_query_pb2.Delta, _Mapping]] = ..., complete: _Optional[_Union[_query_pb2.Complete, _Mapping]] = ..., error: _Optional[_Union[_query_pb2.CameraError, _Mapping]] = ...) -> None: ...

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

class WorkerServiceGetEvidenceRequest(_message.Message):
    __slots__ = ("answer_id", "evidence", "camera_id", "epoch")
    ANSWER_ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    answer_id: str
    evidence: _query_pb2.EvidenceRequest
    camera_id: str
    epoch: int
    def __init__(self, answer_id: _Optional[str] = ..., evidence: _Optional[_Union[_query_pb2.EvidenceRequest, _Mapping]] = ..., camera_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceGetEvidenceResponse(_message.Message):
    __slots__ = ("evidence", "epoch")
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    evidence: _query_pb2.Evidence
    epoch: int
    def __init__(self, evidence: _Optional[_Union[_query_pb2.Evidence, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceListFramesRequest(_message.Message):
    __slots__ = ("query", "epoch")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    query: _memory_pb2.FrameQuery
    epoch: int
    def __init__(self, query: _Optional[_Union[_memory_pb2.FrameQuery, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceListFramesResponse(_message.Message):
    __slots__ = ("frame", "epoch")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    frame: _memory_pb2.FramePicture
    epoch: int
    def __init__(self, frame: _Optional[_Union[_memory_pb2.FramePicture, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerServiceMergeRequest(_message.Message):
    __slots__ = ("question", "answers")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    question: _query_pb2.Question
    answers: _containers.RepeatedCompositeFieldContainer[CameraAnswer]
    def __init__(self, question: _Optional[_Union[_query_pb2.Question, _Mapping]] = ..., answers: _Optional[_Iterable[_Union[CameraAnswer, _Mapping]]] = ...) -> None: ...

class CameraAnswer(_message.Message):
    __slots__ = ("camera_id", "display_name", "text")
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    display_name: str
    text: str
    def __init__(self, camera_id: _Optional[str] = ..., display_name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class WorkerServiceMergeResponse(_message.Message):
    __slots__ = ("delta", "complete")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    delta: _query_pb2.Delta
    complete: _query_pb2.Complete
    def __init__(self, delta: _Optional[_Union[_query_pb2.Delta, _Mapping]] = ..., complete: _Optional[_Union[_query_pb2.Complete, _Mapping]] = ...) -> None: ...

class WorkerServiceEvaluateRequest(_message.Message):
    __slots__ = ("watch", "camera_id", "epoch", "evidence")
    WATCH_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    watch: _watch_pb2.Watch
    camera_id: str
    epoch: int
    evidence: _query_pb2.EvidenceRequest
    def __init__(self, watch: _Optional[_Union[_watch_pb2.Watch, _Mapping]] = ..., camera_id: _Optional[str] = ..., epoch: _Optional[int] = ..., evidence: _Optional[_Union[_query_pb2.EvidenceRequest, _Mapping]] = ...) -> None: ...

class WorkerServiceEvaluateResponse(_message.Message):
    __slots__ = ("evaluation", "evidence", "epoch")
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    evaluation: _watch_pb2.Evaluation
    evidence: _query_pb2.Evidence
    epoch: int
    def __init__(self, evaluation: _Optional[_Union[_watch_pb2.Evaluation, _Mapping]] = ..., evidence: _Optional[_Union[_query_pb2.Evidence, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...
