"""What `hermes.client` exports is part of the interface."""

from __future__ import annotations

from hermes import client

EXPORTED = {
    "Above",
    "Acknowledgement",
    "Answer",
    "AnswerStream",
    "AskedSpan",
    "AsyncAnswerStream",
    "AsyncConnection",
    "AsyncFrameStream",
    "AsyncHermesClient",
    "AsyncManyAnswers",
    "Between",
    "Camera",
    "CameraAnswered",
    "CameraDelta",
    "CameraEvent",
    "CameraFailed",
    "ChoiceProbability",
    "Coverage",
    "Evidence",
    "EvidenceFrame",
    "FramePicture",
    "FrameStream",
    "AsyncEventStream",
    "Below",
    "Changes",
    "Choices",
    "Diary",
    "Equals",
    "Evaluation",
    "Event",
    "EventFilter",
    "EventFrame",
    "EventStream",
    "FollowedEvent",
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
    "Sampling",
    "Rate",
    "Source",
    "Span",
    "SpanCoverage",
    "Timings",
    "Tls",
    "Token",
    "TokenLogprob",
    "Turn",
    "between",
    "in_file",
    "last",
    "Trial",
    "Trigger",
    "Watch",
    "WatchState",
    "YesNo",
    "ranked",
}


def test_the_exported_names() -> None:
    assert set(client.__all__) == EXPORTED
    assert all(hasattr(client, name) for name in EXPORTED)


def test_both_clients_have_the_same_calls() -> None:
    blocking, for_asyncio = (
        {name for name in vars(kind) if not name.startswith("_")}
        for kind in (client.HermesClient, client.AsyncHermesClient)
    )
    assert blocking == for_asyncio
