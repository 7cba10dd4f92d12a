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
from hermes.client.frames import AsyncFrameStream, FramePicture, FrameStream
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
from hermes.contents import MemoryContents

__all__ = [
    "Answer",
    "AnswerStream",
    "AsyncAnswerStream",
    "AsyncFrameStream",
    "AsyncHermesClient",
    "Camera",
    "Coverage",
    "FramePicture",
    "FrameStream",
    "Freshness",
    "HermesClient",
    "Memory",
    "MemoryContents",
    "Pacing",
    "Picture",
    "PictureStatus",
    "Probe",
    "Source",
    "Span",
    "Timings",
    "Tls",
    "Token",
]
