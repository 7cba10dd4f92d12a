"""Clients of the gateway: a blocking one, and one for asyncio.

    with HermesClient("127.0.0.1:50051") as client:
        answer = client.ask("lobby", "What happened at the door?")
        for text in answer:
            print(text, end="", flush=True)
        print(answer.result().timings)

More than plain questions:

    client.ask("lobby", "Who came in?", span=last(minutes=10), evidence=3)
    client.ask("lobby", "Is the door open?", yes_no=True).result().choices
    client.ask("lobby", "How many people?", json_schema={"type": "integer"}).result().json()

If the gateway requires a token, pass `token=`. Every call has a time-out and
raises the types of `hermes.errors`, with the gRPC error as `__cause__`. The
client does not retry: `Retryable.retry_after_s` says when the same call may
succeed. A call made within an OpenTelemetry span carries its trace context;
instrumentation of gRPC can be used at the same time.
"""

from hermes.choices import ChoiceProbability
from hermes.client.aio import AsyncHermesClient
from hermes.client.connection import AsyncConnection
from hermes.client.event_streams import AsyncEventStream, EventStream
from hermes.client.events import (
    Acknowledgement,
    Event,
    EventFilter,
    EventFrame,
    FollowedEvent,
    Trial,
)
from hermes.client.evidence import Evidence, EvidenceFrame
from hermes.client.frames import AsyncFrameStream, FramePicture, FrameStream
from hermes.client.many import (
    AsyncManyAnswers,
    CameraAnswered,
    CameraDelta,
    CameraEvent,
    CameraFailed,
    ManyAnswers,
    ManyResult,
    ranked,
)
from hermes.client.picture import Picture, PictureStatus
from hermes.client.probe import Probe
from hermes.client.spans import AskedSpan, Between, InFile, Last, between, in_file, last
from hermes.client.streams import AnswerStream, AsyncAnswerStream
from hermes.client.sync import HermesClient
from hermes.client.tls import Tls
from hermes.client.token import Token
from hermes.client.types import (
    Answer,
    Camera,
    Coverage,
    Freshness,
    Memory,
    Pacing,
    Source,
    Span,
    SpanCoverage,
    Timings,
    TokenLogprob,
)
from hermes.client.watches import (
    Above,
    Below,
    Changes,
    Choices,
    Diary,
    Equals,
    Evaluation,
    Number,
    Rate,
    Trigger,
    Watch,
    WatchState,
    YesNo,
)
from hermes.contents import MemoryContents
from hermes.question import Turn
from hermes.sampling import Sampling

__all__ = [
    "Above",
    "Acknowledgement",
    "Answer",
    "AnswerStream",
    "AskedSpan",
    "AsyncAnswerStream",
    "AsyncConnection",
    "AsyncEventStream",
    "AsyncFrameStream",
    "AsyncHermesClient",
    "AsyncManyAnswers",
    "Below",
    "Between",
    "Camera",
    "CameraAnswered",
    "CameraDelta",
    "CameraEvent",
    "CameraFailed",
    "Changes",
    "ChoiceProbability",
    "Choices",
    "Coverage",
    "Diary",
    "Equals",
    "Evaluation",
    "Event",
    "EventFilter",
    "EventFrame",
    "EventStream",
    "Evidence",
    "EvidenceFrame",
    "FollowedEvent",
    "FramePicture",
    "FrameStream",
    "Freshness",
    "HermesClient",
    "InFile",
    "Last",
    "ManyAnswers",
    "ManyResult",
    "Memory",
    "MemoryContents",
    "Number",
    "Pacing",
    "Picture",
    "PictureStatus",
    "Probe",
    "Rate",
    "Sampling",
    "Source",
    "Span",
    "SpanCoverage",
    "Timings",
    "Tls",
    "Token",
    "TokenLogprob",
    "Trial",
    "Trigger",
    "Turn",
    "Watch",
    "WatchState",
    "YesNo",
    "between",
    "in_file",
    "last",
    "ranked",
]
