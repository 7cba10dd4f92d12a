"""What comes over gRPC and lies in Redis: cameras, questions, contents of memories, hashes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random

from google.protobuf.message import DecodeError

from hermes.client.types import camera_of
from hermes.contents_message import contents_of
from hermes.errors import HermesError, InvalidInput
from hermes.frame_query import query_of
from hermes.question_message import question_of
from hermes.v1.camera_pb2 import (
    MEMORY_STATE_SERVING,
    PACING_LIVE,
    SOURCE_STATE_ONLINE,
    Camera,
    CameraInfo,
    CameraServiceAddRequest,
    CameraServiceUpdateRequest,
    MemoryStatus,
    SourceStatus,
)
from hermes.v1.memory_pb2 import FrameQuery, MemoryContents
from hermes.v1.query_pb2 import FRESHNESS_LATEST, QueryServiceAskRequest
from services.common import camera_status, cameras
from services.common.cameras import SourcePolicy
from services.common.leases import parse_owner
from services.common.placement import parse_members
from services.hermes_worker.frame_choice import chosen
from services.hermes_worker.kept_pictures import KeptFrame
from services.hermes_worker.log_position import LogPosition
from services.query_gateway.camera_update import CameraUpdate
from services.query_gateway.questions import QuestionRules
from tests.fuzz.damage import edit_json, message_edit
from tests.fuzz.target import Target

POLICY = SourcePolicy(Path("/srv/video"))
RULES = QuestionRules(max_chars=4096, max_tokens=1024)


def _cameras() -> list[bytes]:
    live = Camera(id="lobby", url="rtsp://user:hunter2@10.0.0.7/1")
    file = Camera(id="dock", url="dock.mp4", loop=True, pacing=PACING_LIVE)
    file.sampling.frames_per_second = 2
    file.sampling.chunk_max_frames = 8
    file.sampling.chunk_max_duration.FromMilliseconds(500)
    file.created.FromMilliseconds(1_700_000_000_000)
    file.labels.update({"site": "dock", "example.com/floor": "2"})
    file.display_name = "Dock, gate 3"
    return [CameraServiceAddRequest(camera=one).SerializeToString() for one in (live, file)]


def _read_camera(data: bytes) -> str:
    try:
        camera = CameraServiceAddRequest.FromString(data).camera
    except DecodeError:
        return "no message"
    shown = cameras.without_credentials(camera)
    shown.created.FromMilliseconds(1)  # whatever a client says: the gateway's clock counts
    try:
        cameras.check(camera, POLICY)
    except InvalidInput as error:
        return "".join(c for c in str(error) if not c.isdigit())[:60]
    assert math.isfinite(camera.sampling.frames_per_second)
    camera_of(CameraInfo(camera=shown))
    return f"pacing {cameras.pacing_of(camera)}"


def _updates() -> list[bytes]:
    whole = CameraServiceUpdateRequest(camera=Camera(id="dock", labels={"site": "dock"}))
    whole.update_mask.paths.extend(["labels", "display_name"])
    single = CameraServiceUpdateRequest(camera=Camera(id="dock"), put_labels={"site": "yard"})
    single.remove_labels.append("floor")
    return [whole.SerializeToString(), single.SerializeToString()]


def _read_update(data: bytes) -> str:
    try:
        request = CameraServiceUpdateRequest.FromString(data)
    except DecodeError:
        return "no message"
    before = CameraServiceAddRequest.FromString(_cameras()[1]).camera
    try:
        after = CameraUpdate.read(request).applied_to(before)
    except InvalidInput as error:
        return "".join(c for c in str(error) if not c.isdigit())[:60]
    assert cameras.check(after, POLICY).created == before.created
    return f"{len(after.labels)} labels"


def _questions() -> list[bytes]:
    request = QueryServiceAskRequest()
    request.question.camera_id = "lobby"
    request.question.text = "What is happening now?"
    request.question.max_tokens = 64
    request.question.freshness = FRESHNESS_LATEST
    whole = QueryServiceAskRequest()
    whole.question.CopyFrom(request.question)
    whole.question.turns.add(question="Who?", answer="a red star")
    whole.question.span.start.FromMilliseconds(1_700_000_000_000)
    whole.question.span.end.FromMilliseconds(1_700_000_005_000)
    whole.question.json_schema = '{"type": "object", "properties": {"count": {"type": "integer"}}}'
    whole.question.evidence.frames = 3
    whole.question.evidence.pictures = True
    whole.question.decoding.temperature = 0.5
    whole.question.decoding.seed = 7
    chosen = QueryServiceAskRequest()
    chosen.question.camera_id = "lobby"
    chosen.question.text = "Is the door open?"
    chosen.question.choices.texts.extend(["yes", "no"])
    chosen.question.span.last.FromSeconds(600)
    return [one.SerializeToString() for one in (request, whole, chosen)] + [b""]


def _read_question(data: bytes) -> str:
    try:
        request = QueryServiceAskRequest.FromString(data)
    except DecodeError:
        return "no message"
    try:
        question = RULES.check(request)
    except InvalidInput as error:
        return "".join(c for c in str(error) if not c.isdigit())[:60]
    assert 0 < len(question.text) <= RULES.max_chars
    assert question.max_tokens <= RULES.max_tokens
    read = question_of(question, 1_700_000_000_000)  # what passes here, a worker can read
    return f"freshness {question.freshness} {type(read.form).__name__} {read.span is None}"


def _frames() -> list[bytes]:
    query = FrameQuery(camera_id="lobby", limit=7, newest_first=True)
    query.start.FromMilliseconds(1_700_000_000_000)
    query.end.FromMilliseconds(1_700_000_009_000)
    return [query.SerializeToString()]


def _read_frames(data: bytes) -> str:
    try:
        query = query_of(FrameQuery.FromString(data))
    except DecodeError:
        return "no message"
    except InvalidInput as error:
        return str(error)
    frames = [KeptFrame(number, 1_700_000_000_000 + number, None, 9) for number in range(9)]
    found = chosen(frames, query)
    assert len(found) <= (query.limit or len(frames))
    return f"{len(found)} frames"


def _contents() -> list[bytes]:
    message = MemoryContents(
        policy="hermes", budget=96, tokens=20, frame_tokens=4, frames_seen=3, model="tiny"
    )
    message.frame_steps.extend([0, 1, 1])
    message.time_steps.extend([1_700_000_000_000, 1000, 1000])
    gap = message.gaps.add()
    gap.start.FromMilliseconds(1_700_000_000_000)
    gap.end.FromMilliseconds(1_700_000_005_000)
    layer = message.layers.add(number=0, band=1)
    layer.frame_steps.extend([0, 2])
    layer.tokens.extend([4, 4])
    layer.summaries.extend([0, 1])
    return [message.SerializeToString()]


def _read_contents(data: bytes) -> str:
    try:
        message = MemoryContents.FromString(data)
    except DecodeError:
        return "no message"
    try:
        contents = contents_of(message)
    except HermesError as error:
        return "".join(c for c in str(error) if not c.isdigit())[:60]
    return f"{len(contents.layers)} layers"


def _redis() -> list[bytes]:
    """A hash a line: a status, a lease, a member, a log position."""
    source = SourceStatus(state=SOURCE_STATE_ONLINE, frames_per_second=0.5, decoder="d")
    source.last_frame.FromMilliseconds(1_700_000_000_000)
    memory = MemoryStatus(state=MEMORY_STATE_SERVING, frames=3, bytes=4096, worker="w", epoch=7)
    memory.coverage.span.start.FromMilliseconds(1_700_000_000_000)
    memory.lag.FromMilliseconds(12)
    written = camera_status.source_fields(source) | camera_status.memory_fields(memory, "1-0")
    of_the_version_before: dict[str, object] = {
        "state": "SOURCE_STATE_ONLINE",
        "error": "SOURCE_ERROR_UNSPECIFIED",
        "error_message": "",
        "fps": 0.5,
        "last_frame_ms": 1_700_000_000_000,
        "reconnects": 1,
        "dropped_frames": 0,
        "decoder": "d",
        "memory_state": "MEMORY_STATE_SERVING",
        "memory_frames": 3,
        "memory_tokens": 20,
        "memory_bytes": 4096,
        "memory_lag_ms": 12,
        "memory_coverage": '{"span": {"start": "2023-11-14T22:13:20Z"}, "frames": "3"}',
        "worker": "w",
        "worker_epoch": 7,
    }
    lease = {"instance": "w", "address": "h:1", "epoch": 7, "expires_ms": 9, "state": "serving"}
    member = {
        "instance": "w",
        "address": "h:1",
        "device": "cpu",
        "capacity": 4,
        "load": 1,
        "heartbeat_ms": 5,
        "draining": False,
    }
    hashes = (written, of_the_version_before)
    return [json.dumps([fields, lease, member, "1-0@7:3!"]).encode() for fields in hashes]


def _read_redis(data: bytes) -> str:
    try:
        status, lease, member, position = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return "no input"
    source, memory = camera_status.parse(_hash(status))
    camera_of(CameraInfo(source=source, memory=memory))
    said = [str(source.state), str(memory.HasField("coverage"))]
    try:
        said.append(str(parse_owner(_hash(lease)) is None))
    except ValueError:
        said.append("no lease")
    said.append(str(len(parse_members({b"w": _bytes(member)}, 10, 1000))))
    try:
        LogPosition.parse(_bytes(position).decode(errors="replace"))
    except ValueError:
        said.append("no position")
    return " ".join(said)


def _hash(value: object) -> dict[bytes, bytes]:
    if not isinstance(value, dict):
        return {}
    return {key.encode(errors="replace"): _bytes(part) for key, part in value.items()}


def _bytes(value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="surrogatepass")


def _edit_redis(data: bytes, random: Random) -> bytes:
    try:
        return json.dumps(edit_json(json.loads(data), random)).encode()
    except (ValueError, RecursionError):
        return data


CAMERAS = Target("cameras", _cameras, _read_camera, (message_edit(CameraServiceAddRequest),))
UPDATES = Target("updates", _updates, _read_update, (message_edit(CameraServiceUpdateRequest),))
QUESTIONS = Target("questions", _questions, _read_question, (message_edit(QueryServiceAskRequest),))
FRAMES = Target("frames", _frames, _read_frames, (message_edit(FrameQuery),))
CONTENTS = Target("contents", _contents, _read_contents, (message_edit(MemoryContents),))
REDIS = Target(
    "redis",
    _redis,
    _read_redis,
    (_edit_redis,),
    words=(b"[" * 3000, b"1" * 5000, b"1e999", b"NaN", b"\\ud800", b"\\u0000", b'"9999-12-31T0Z"'),
)
