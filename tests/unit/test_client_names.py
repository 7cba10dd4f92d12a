"""What `hermes.client` exports is part of the interface."""

from __future__ import annotations

from hermes import client

EXPORTED = {
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
