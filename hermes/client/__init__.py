"""Clients of the gateway: a blocking one, and one for asyncio.

    with HermesClient("127.0.0.1:50051") as client:
        answer = client.ask("lobby", "What happened at the door?")
        for text in answer:
            print(text, end="", flush=True)
        print(answer.result().timings)

If the gateway requires a token, pass `token=`. Every call has a time-out and
raises the types of `hermes.errors`, with the gRPC error as `__cause__`. The
client does not retry: `Retryable.retry_after_s` says when the same call may
succeed. A call made within an OpenTelemetry span carries its trace context;
instrumentation of gRPC can be used at the same time.
"""

from hermes.client.aio import AsyncHermesClient
from hermes.client.event_streams import AsyncEventStream, EventStream
from hermes.client.events import (
    Acknowledgement,
    Event,
    EventFilter,
    EvidenceFrame,
    FollowedEvent,
    Trial,
)
from hermes.client.picture import Picture, PictureStatus
from hermes.client.probe import Probe
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
    Timings,
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

__all__ = [
    "Above",
    "Acknowledgement",
    "Answer",
    "AnswerStream",
    "AsyncAnswerStream",
    "AsyncEventStream",
    "AsyncHermesClient",
    "Below",
    "Camera",
    "Changes",
    "Choices",
    "Coverage",
    "Diary",
    "Equals",
    "Evaluation",
    "Event",
    "EventFilter",
    "EventStream",
    "EvidenceFrame",
    "FollowedEvent",
    "Freshness",
    "HermesClient",
    "Memory",
    "MemoryContents",
    "Number",
    "Pacing",
    "Picture",
    "PictureStatus",
    "Probe",
    "Rate",
    "Source",
    "Span",
    "Timings",
    "Tls",
    "Token",
    "Trial",
    "Trigger",
    "Watch",
    "WatchState",
    "YesNo",
]
