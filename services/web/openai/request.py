"""What clients send to `POST /v1/chat/completions`, and what of it is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hermes.errors import InvalidInput

MODEL = "hermes"
"""The one model there is: the worker that remembers the camera has its own."""


class VideoUrl(BaseModel):
    """A camera, as a URL."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="camera://lobby?last=10m, or camera://?label=site%3Ddock")


class VideoPart(BaseModel):
    """A camera that the question is about."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["video_url"]
    video_url: VideoUrl


class TextPart(BaseModel):
    """A text."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class OtherPart(BaseModel):
    """A part that is refused by its type."""

    model_config = ConfigDict(extra="allow")

    type: str


Part = Annotated[VideoPart | TextPart | OtherPart, Field(union_mode="left_to_right")]


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[Part] | None = None


class NamedSchema(BaseModel):
    """A JSON Schema with its name."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: str = ""
    description: str | None = None
    schema_: dict[str, Any] | bool | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    """What the answer looks like."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None


class StreamOptions(BaseModel):
    """What a stream has beside the answer."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    include_obfuscation: bool = False


class Hermes(BaseModel):
    """What OpenAI's API has no field for."""

    model_config = ConfigDict(extra="forbid")

    choices: list[str] = Field([], description="The answer is one of these, with probabilities")
    yes_no: bool = Field(False, description="The answer is yes or no, with probabilities")
    regex: str | None = Field(None, description="The whole answer matches it")
    evidence: int = Field(0, ge=0, le=16, description="Name so many frames that it rests on")
    evidence_pictures: bool = Field(False, description="With their pictures")
    freshness: Literal["latest", "cached"] = "latest"
    merge: bool = Field(
        True, description="Have one answer made of several cameras' answers; false: list them"
    )


class ChatRequest(BaseModel):
    """A chat completion about cameras. Fields that are not listed are refused by name."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1, lt=2**32)
    max_completion_tokens: int | None = Field(None, ge=1, lt=2**32)
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1, lt=2**32)
    repetition_penalty: float | None = Field(None, gt=0)
    seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = False
    response_format: ResponseFormat | None = None
    hermes: Hermes = Hermes()


_NOTHING: Callable[[Any], bool] = lambda value: value in (None, False, 0, "", [], {})  # noqa: E731
_ANY: Callable[[Any], bool] = lambda value: True  # noqa: E731
_ACCEPTED: Mapping[str, Callable[[Any], bool]] = {
    # They ask for nothing that an answer could show.
    "user": _ANY,
    "safety_identifier": _ANY,
    "prompt_cache_key": _ANY,
    "service_tier": lambda value: value in (None, "auto", "default"),
    "n": lambda value: value in (None, 1),
    "modalities": lambda value: value in (None, ["text"]),
    "tool_choice": lambda value: value in (None, "none", "auto"),
    "parallel_tool_calls": _ANY,  # there are no tools: those are refused
    "frequency_penalty": _NOTHING,
    "presence_penalty": _NOTHING,
    "top_logprobs": _NOTHING,
    "logit_bias": _NOTHING,
    "tools": _NOTHING,
    "functions": _NOTHING,
    "store": _NOTHING,
    "metadata": _NOTHING,
}
"""Fields of OpenAI's that are accepted with some values, because these change nothing."""

_WHY = {
    "n": "there is one answer: ask again for another",
    "top_logprobs": "only the tokens of the answer have log-probabilities: leave it at 0",
    "tools": "no tools are called: a camera is asked",
    "frequency_penalty": "is not supported: repetition_penalty is",
    "presence_penalty": "is not supported: repetition_penalty is",
}


def check_supported(request: ChatRequest) -> None:
    """Raise `InvalidInput`, which names it, for the first field that is not supported."""
    if request.model != MODEL:
        raise UnknownModel(request.model)
    for name, value in (request.model_extra or {}).items():
        accepted = _ACCEPTED.get(name)
        if accepted is None or not accepted(value):
            raise InvalidInput(name, _WHY.get(name, "is not supported"))
    if request.stream_options is not None:
        if not request.stream:
            raise InvalidInput("stream_options", "goes with stream: true")
        if request.stream_options.include_obfuscation:
            raise InvalidInput("stream_options.include_obfuscation", "is not supported")
    form = request.response_format
    if form is not None and (form.type == "json_schema") != (form.json_schema is not None):
        raise InvalidInput("response_format.json_schema", "goes with type: json_schema")
    if form is not None and form.json_schema is not None and form.json_schema.schema_ is None:
        raise InvalidInput("response_format.json_schema.schema", "is missing")


class UnknownModel(InvalidInput):
    """There is no model of this name."""

    def __init__(self, model: str) -> None:
        super().__init__(
            "model", f"there is no model {model!r}: {MODEL!r} asks the one that watches the camera"
        )
