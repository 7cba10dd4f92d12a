"""The settings of a notifier. Sinks have a file of their own."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import ServiceSettings


class NotifierSettings(ServiceSettings):
    """Settings of `hermes-notifier`. Durations are seconds."""

    sinks: Path = Field(description="YAML file of the sinks: see docs/notifier.md")
    lease_s: float = Field(
        10.0,
        ge=1,
        le=120,
        description="a sink whose instance is silent for this long is another's to deliver to",
    )
    catch_up_s: float = Field(
        3600.0,
        ge=0,
        le=7 * 86400,
        description="a sink that has no place in the stream of events yet begins with messages of"
        " at most this age",
    )
