import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Transport(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSPORT_UNSPECIFIED: _ClassVar[Transport]
    TRANSPORT_TCP: _ClassVar[Transport]
    TRANSPORT_UDP: _ClassVar[Transport]

class ColorMatrix(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_MATRIX_UNSPECIFIED: _ClassVar[ColorMatrix]
    COLOR_MATRIX_BT601: _ClassVar[ColorMatrix]
    COLOR_MATRIX_BT709: _ClassVar[ColorMatrix]
    COLOR_MATRIX_BT2020: _ClassVar[ColorMatrix]
    COLOR_MATRIX_RGB: _ClassVar[ColorMatrix]
    COLOR_MATRIX_FCC: _ClassVar[ColorMatrix]
    COLOR_MATRIX_SMPTE240M: _ClassVar[ColorMatrix]
    COLOR_MATRIX_YCGCO: _ClassVar[ColorMatrix]

class ColorRange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_RANGE_UNSPECIFIED: _ClassVar[ColorRange]
    COLOR_RANGE_LIMITED: _ClassVar[ColorRange]
    COLOR_RANGE_FULL: _ClassVar[ColorRange]

class ColorTransfer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_TRANSFER_UNSPECIFIED: _ClassVar[ColorTransfer]
    COLOR_TRANSFER_SDR: _ClassVar[ColorTransfer]
    COLOR_TRANSFER_PQ: _ClassVar[ColorTransfer]
    COLOR_TRANSFER_HLG: _ClassVar[ColorTransfer]

class Pacing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACING_UNSPECIFIED: _ClassVar[Pacing]
    PACING_LIVE: _ClassVar[Pacing]
    PACING_AS_FAST_AS_READ: _ClassVar[Pacing]

class SourceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_STATE_UNSPECIFIED: _ClassVar[SourceState]
    SOURCE_STATE_PENDING: _ClassVar[SourceState]
    SOURCE_STATE_CONNECTING: _ClassVar[SourceState]
    SOURCE_STATE_ONLINE: _ClassVar[SourceState]
    SOURCE_STATE_OFFLINE: _ClassVar[SourceState]
    SOURCE_STATE_ENDED: _ClassVar[SourceState]
    SOURCE_STATE_FAILED: _ClassVar[SourceState]

class SourceError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_ERROR_UNSPECIFIED: _ClassVar[SourceError]
    SOURCE_ERROR_AUTH: _ClassVar[SourceError]
    SOURCE_ERROR_TLS: _ClassVar[SourceError]
    SOURCE_ERROR_TIMEOUT: _ClassVar[SourceError]
    SOURCE_ERROR_NOT_FOUND: _ClassVar[SourceError]
    SOURCE_ERROR_CODEC: _ClassVar[SourceError]
    SOURCE_ERROR_ENDED: _ClassVar[SourceError]
    SOURCE_ERROR_REFUSED: _ClassVar[SourceError]
    SOURCE_ERROR_PROTOCOL: _ClassVar[SourceError]
    SOURCE_ERROR_UNREACHABLE: _ClassVar[SourceError]
    SOURCE_ERROR_UNAVAILABLE: _ClassVar[SourceError]
    SOURCE_ERROR_MEMORY: _ClassVar[SourceError]

class MemoryState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMORY_STATE_UNSPECIFIED: _ClassVar[MemoryState]
    MEMORY_STATE_PENDING: _ClassVar[MemoryState]
    MEMORY_STATE_REPLAYING: _ClassVar[MemoryState]
    MEMORY_STATE_SERVING: _ClassVar[MemoryState]
    MEMORY_STATE_EMPTY: _ClassVar[MemoryState]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_LOST_PACKETS: _ClassVar[GapReason]
    GAP_REASON_DAMAGED: _ClassVar[GapReason]
    GAP_REASON_NO_KEY_FRAME: _ClassVar[GapReason]
    GAP_REASON_RECONNECTED: _ClassVar[GapReason]
    GAP_REASON_DECODER_STOPPED: _ClassVar[GapReason]
    GAP_REASON_DROPPED: _ClassVar[GapReason]
    GAP_REASON_TRIMMED: _ClassVar[GapReason]
    GAP_REASON_UNREADABLE: _ClassVar[GapReason]
    GAP_REASON_MEMORY_LOST: _ClassVar[GapReason]
TRANSPORT_UNSPECIFIED: Transport
TRANSPORT_TCP: Transport
TRANSPORT_UDP: Transport
COLOR_MATRIX_UNSPECIFIED: ColorMatrix
COLOR_MATRIX_BT601: ColorMatrix
COLOR_MATRIX_BT709: ColorMatrix
COLOR_MATRIX_BT2020: ColorMatrix
COLOR_MATRIX_RGB: ColorMatrix
COLOR_MATRIX_FCC: ColorMatrix
COLOR_MATRIX_SMPTE240M: ColorMatrix
COLOR_MATRIX_YCGCO: ColorMatrix
COLOR_RANGE_UNSPECIFIED: ColorRange
COLOR_RANGE_LIMITED: ColorRange
COLOR_RANGE_FULL: ColorRange
COLOR_TRANSFER_UNSPECIFIED: ColorTransfer
COLOR_TRANSFER_SDR: ColorTransfer
COLOR_TRANSFER_PQ: ColorTransfer
COLOR_TRANSFER_HLG: ColorTransfer
PACING_UNSPECIFIED: Pacing
PACING_LIVE: Pacing
PACING_AS_FAST_AS_READ: Pacing
SOURCE_STATE_UNSPECIFIED: SourceState
SOURCE_STATE_PENDING: SourceState
SOURCE_STATE_CONNECTING: SourceState
SOURCE_STATE_ONLINE: SourceState
SOURCE_STATE_OFFLINE: SourceState
SOURCE_STATE_ENDED: SourceState
SOURCE_STATE_FAILED: SourceState
SOURCE_ERROR_UNSPECIFIED: SourceError
SOURCE_ERROR_AUTH: SourceError
SOURCE_ERROR_TLS: SourceError
SOURCE_ERROR_TIMEOUT: SourceError
SOURCE_ERROR_NOT_FOUND: SourceError
SOURCE_ERROR_CODEC: SourceError
SOURCE_ERROR_ENDED: SourceError
SOURCE_ERROR_REFUSED: SourceError
SOURCE_ERROR_PROTOCOL: SourceError
SOURCE_ERROR_UNREACHABLE: SourceError
SOURCE_ERROR_UNAVAILABLE: SourceError
SOURCE_ERROR_MEMORY: SourceError
MEMORY_STATE_UNSPECIFIED: MemoryState
MEMORY_STATE_PENDING: MemoryState
MEMORY_STATE_REPLAYING: MemoryState
MEMORY_STATE_SERVING: MemoryState
MEMORY_STATE_EMPTY: MemoryState
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_LOST_PACKETS: GapReason
GAP_REASON_DAMAGED: GapReason
GAP_REASON_NO_KEY_FRAME: GapReason
GAP_REASON_RECONNECTED: GapReason
GAP_REASON_DECODER_STOPPED: GapReason
GAP_REASON_DROPPED: GapReason
GAP_REASON_TRIMMED: GapReason
GAP_REASON_UNREADABLE: GapReason
GAP_REASON_MEMORY_LOST: GapReason

class CameraServiceSnapshotRequest(_message.Message):
    __slots__ = ("camera_id",)
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    def __init__(self, camera_id: _Optional[str] = ...) -> None: ...

class CameraServiceSnapshotResponse(_message.Message):
    __slots__ = ("captured", "media", "jpeg")
    CAPTURED_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    captured: _timestamp_pb2.Timestamp
    media: _duration_pb2.Duration
    jpeg: bytes
    def __init__(self, captured: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., media: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., jpeg: _Optional[bytes] = ...) -> None: ...

class CameraServiceAddRequest(_message.Message):
    __slots__ = ("camera",)
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    camera: Camera
    def __init__(self, camera: _Optional[_Union[Camera, _Mapping]] = ...) -> None: ...

class CameraServiceAddResponse(_message.Message):
    __slots__ = ("camera",)
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    camera: CameraInfo
    def __init__(self, camera: _Optional[_Union[CameraInfo, _Mapping]] = ...) -> None: ...

class CameraServiceGetRequest(_message.Message):
    __slots__ = ("camera_id",)
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    def __init__(self, camera_id: _Optional[str] = ...) -> None: ...

class CameraServiceGetResponse(_message.Message):
    __slots__ = ("camera",)
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    camera: CameraInfo
    def __init__(self, camera: _Optional[_Union[CameraInfo, _Mapping]] = ...) -> None: ...

class CameraServiceListRequest(_message.Message):
    __slots__ = ("selector",)
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    selector: str
    def __init__(self, selector: _Optional[str] = ...) -> None: ...

class CameraServiceListResponse(_message.Message):
    __slots__ = ("cameras",)
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    cameras: _containers.RepeatedCompositeFieldContainer[CameraInfo]
    def __init__(self, cameras: _Optional[_Iterable[_Union[CameraInfo, _Mapping]]] = ...) -> None: ...

class CameraServiceUpdateRequest(_message.Message):
    __slots__ = ("camera", "update_mask", "put_labels", "remove_labels")
    class PutLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    PUT_LABELS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_LABELS_FIELD_NUMBER: _ClassVar[int]
    camera: Camera
    update_mask: _field_mask_pb2.FieldMask
    put_labels: _containers.ScalarMap[str, str]
    remove_labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, camera: _Optional[_Union[Camera, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., put_labels: _Optional[_Mapping[str, str]] = ..., remove_labels: _Optional[_Iterable[str]] = ...) -> None: ...

class CameraServiceUpdateResponse(_message.Message):
    __slots__ = ("camera",)
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    camera: CameraInfo
    def __init__(self, camera: _Optional[_Union[CameraInfo, _Mapping]] = ...) -> None: ...

class CameraServiceRemoveRequest(_message.Message):
    __slots__ = ("camera_id",)
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    camera_id: str
    def __init__(self, camera_id: _Optional[str] = ...) -> None: ...

class CameraServiceRemoveResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CameraServiceProbeRequest(_message.Message):
    __slots__ = ("camera", "thumbnail")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    camera: Camera
    thumbnail: bool
    def __init__(self, camera: _Optional[_Union[Camera, _Mapping]] = ..., thumbnail: _Optional[bool] = ...) -> None: ...

class CameraServiceProbeResponse(_message.Message):
    __slots__ = ("error", "error_message", "picture", "key_frame_interval", "key_frame_interval_open", "frames_per_second", "frame_bytes", "length", "thumbnail", "decoder")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    KEY_FRAME_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    KEY_FRAME_INTERVAL_OPEN_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    DECODER_FIELD_NUMBER: _ClassVar[int]
    error: SourceError
    error_message: str
    picture: PictureStatus
    key_frame_interval: _duration_pb2.Duration
    key_frame_interval_open: bool
    frames_per_second: float
    frame_bytes: int
    length: _duration_pb2.Duration
    thumbnail: bytes
    decoder: str
    def __init__(self, error: _Optional[_Union[SourceError, str]] = ..., error_message: _Optional[str] = ..., picture: _Optional[_Union[PictureStatus, _Mapping]] = ..., key_frame_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., key_frame_interval_open: _Optional[bool] = ..., frames_per_second: _Optional[float] = ..., frame_bytes: _Optional[int] = ..., length: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., thumbnail: _Optional[bytes] = ..., decoder: _Optional[str] = ...) -> None: ...

class Camera(_message.Message):
    __slots__ = ("id", "url", "sampling", "pacing", "loop", "created", "picture", "labels", "display_name", "created_by")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    PACING_FIELD_NUMBER: _ClassVar[int]
    LOOP_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    url: str
    sampling: Sampling
    pacing: Pacing
    loop: bool
    created: _timestamp_pb2.Timestamp
    picture: Picture
    labels: _containers.ScalarMap[str, str]
    display_name: str
    created_by: str
    def __init__(self, id: _Optional[str] = ..., url: _Optional[str] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., pacing: _Optional[_Union[Pacing, str]] = ..., loop: _Optional[bool] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., display_name: _Optional[str] = ..., created_by: _Optional[str] = ...) -> None: ...

class Picture(_message.Message):
    __slots__ = ("rotate", "mirror", "aspect", "square_pixels", "transport", "color")
    ROTATE_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    ASPECT_FIELD_NUMBER: _ClassVar[int]
    SQUARE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    rotate: int
    mirror: bool
    aspect: AspectRatio
    square_pixels: bool
    transport: Transport
    color: Color
    def __init__(self, rotate: _Optional[int] = ..., mirror: _Optional[bool] = ..., aspect: _Optional[_Union[AspectRatio, _Mapping]] = ..., square_pixels: _Optional[bool] = ..., transport: _Optional[_Union[Transport, str]] = ..., color: _Optional[_Union[Color, _Mapping]] = ...) -> None: ...

class AspectRatio(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class Color(_message.Message):
    __slots__ = ("matrix", "range")
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    matrix: ColorMatrix
    range: ColorRange
    def __init__(self, matrix: _Optional[_Union[ColorMatrix, str]] = ..., range: _Optional[_Union[ColorRange, str]] = ...) -> None: ...

class PictureStatus(_message.Message):
    __slots__ = ("width", "height", "coded_width", "coded_height", "codec", "frames_per_second", "color", "transfer", "rotate", "mirror", "interlaced", "frame_width", "frame_height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CODED_WIDTH_FIELD_NUMBER: _ClassVar[int]
    CODED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    ROTATE_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    INTERLACED_FIELD_NUMBER: _ClassVar[int]
    FRAME_WIDTH_FIELD_NUMBER: _ClassVar[int]
    FRAME_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    coded_width: int
    coded_height: int
    codec: str
    frames_per_second: float
    color: Color
    transfer: ColorTransfer
    rotate: int
    mirror: bool
    interlaced: bool
    frame_width: int
    frame_height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., coded_width: _Optional[int] = ..., coded_height: _Optional[int] = ..., codec: _Optional[str] = ..., frames_per_second: _Optional[float] = ..., color: _Optional[_Union[Color, _Mapping]] = ..., transfer: _Optional[_Union[ColorTransfer, str]] = ..., rotate: _Optional[int] = ..., mirror: _Optional[bool] = ..., interlaced: _Optional[bool] = ..., frame_width: _Optional[int] = ..., frame_height: _Optional[int] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("frames_per_second", "chunk_max_frames", "chunk_max_duration")
    FRAMES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    CHUNK_MAX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_MAX_DURATION_FIELD_NUMBER: _ClassVar[int]
    frames_per_second: float
    chunk_max_frames: int
    chunk_max_duration: _duration_pb2.Duration
    def __init__(self, frames_per_second: _Optional[float] = ..., chunk_max_frames: _Optional[int] = ..., chunk_max_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CameraInfo(_message.Message):
    __slots__ = ("camera", "source", "memory")
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    camera: Camera
    source: SourceStatus
    memory: MemoryStatus
    def __init__(self, camera: _Optional[_Union[Camera, _Mapping]] = ..., source: _Optional[_Union[SourceStatus, _Mapping]] = ..., memory: _Optional[_Union[MemoryStatus, _Mapping]] = ...) -> None: ...

class SourceStatus(_message.Message):
    __slots__ = ("state", "error", "error_message", "frames_per_second", "last_frame", "reconnects", "dropped_frames", "decoder", "picture")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    LAST_FRAME_FIELD_NUMBER: _ClassVar[int]
    RECONNECTS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DECODER_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    state: SourceState
    error: SourceError
    error_message: str
    frames_per_second: float
    last_frame: _timestamp_pb2.Timestamp
    reconnects: int
    dropped_frames: int
    decoder: str
    picture: PictureStatus
    def __init__(self, state: _Optional[_Union[SourceState, str]] = ..., error: _Optional[_Union[SourceError, str]] = ..., error_message: _Optional[str] = ..., frames_per_second: _Optional[float] = ..., last_frame: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reconnects: _Optional[int] = ..., dropped_frames: _Optional[int] = ..., decoder: _Optional[str] = ..., picture: _Optional[_Union[PictureStatus, _Mapping]] = ...) -> None: ...

class MemoryStatus(_message.Message):
    __slots__ = ("state", "frames", "tokens", "bytes", "lag", "coverage", "worker", "epoch", "message", "taken_ratio")
    STATE_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TAKEN_RATIO_FIELD_NUMBER: _ClassVar[int]
    state: MemoryState
    frames: int
    tokens: int
    bytes: int
    lag: _duration_pb2.Duration
    coverage: Coverage
    worker: str
    epoch: int
    message: str
    taken_ratio: float
    def __init__(self, state: _Optional[_Union[MemoryState, str]] = ..., frames: _Optional[int] = ..., tokens: _Optional[int] = ..., bytes: _Optional[int] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., coverage: _Optional[_Union[Coverage, _Mapping]] = ..., worker: _Optional[str] = ..., epoch: _Optional[int] = ..., message: _Optional[str] = ..., taken_ratio: _Optional[float] = ...) -> None: ...

class TimeSpan(_message.Message):
    __slots__ = ("start", "end", "reason")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    reason: GapReason
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[GapReason, str]] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("span", "gaps", "media_start", "media_end", "frames", "frames_seen", "whole_since", "forgotten", "watching_since", "lost")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_START_FIELD_NUMBER: _ClassVar[int]
    MEDIA_END_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    FRAMES_SEEN_FIELD_NUMBER: _ClassVar[int]
    WHOLE_SINCE_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    WATCHING_SINCE_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    span: TimeSpan
    gaps: _containers.RepeatedCompositeFieldContainer[TimeSpan]
    media_start: _duration_pb2.Duration
    media_end: _duration_pb2.Duration
    frames: int
    frames_seen: int
    whole_since: _timestamp_pb2.Timestamp
    forgotten: _containers.RepeatedCompositeFieldContainer[TimeSpan]
    watching_since: _timestamp_pb2.Timestamp
    lost: TimeSpan
    def __init__(self, span: _Optional[_Union[TimeSpan, _Mapping]] = ..., gaps: _Optional[_Iterable[_Union[TimeSpan, _Mapping]]] = ..., media_start: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., media_end: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., frames: _Optional[int] = ..., frames_seen: _Optional[int] = ..., whole_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., forgotten: _Optional[_Iterable[_Union[TimeSpan, _Mapping]]] = ..., watching_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost: _Optional[_Union[TimeSpan, _Mapping]] = ...) -> None: ...
