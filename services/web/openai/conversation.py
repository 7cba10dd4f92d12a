"""Messages as a question: its text, the turns before it, and the cameras that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hermes.client import AskedSpan, Turn
from hermes.errors import InvalidInput
from services.web.openai.camera_url import EXAMPLE, CameraUrl, read_camera_url
from services.web.openai.request import Message, TextPart, VideoPart

BETWEEN = "\n\n"
INSTRUCTIONS = frozenset({"system", "developer"})
REFUSED = {
    "image_url": "pictures cannot be sent: a camera is asked, as a video_url",
    "input_audio": "sound cannot be sent",
    "file": "files cannot be sent",
    "refusal": "a refusal is no answer",
}
EMPTY_FIELDS = frozenset({"name", "refusal", "annotations", "audio", "reasoning", "hermes"})
"""Fields that messages of answers may have, and that are of no use in a question."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is asked. Either one camera, several, or those that a selector selects."""

    text: str
    turns: tuple[Turn, ...]
    camera_ids: tuple[str, ...]
    selector: str
    span: AskedSpan | None

    @property
    def one(self) -> str | None:
        """The id of the camera, if it is one alone."""
        return self.camera_ids[0] if len(self.camera_ids) == 1 else None


@dataclass(slots=True)
class _Said:
    role: str
    texts: list[str]


def conversation_of(messages: Sequence[Message]) -> Conversation:
    """Read the messages. Raises `InvalidInput` naming the one that cannot be used.

    Texts of the system go before the question. The cameras are those that were named
    last.
    """
    instructions: list[str] = []
    said: list[_Said] = []
    cameras: list[tuple[str, CameraUrl]] = []
    for number, message in enumerate(messages):
        field = f"messages[{number}]"
        _check(message, field)
        texts, named = _parts(message, field)
        if message.role in INSTRUCTIONS:
            instructions += texts
            continue
        cameras = named or cameras
        if said and said[-1].role == message.role:
            said[-1].texts += texts
        else:
            said.append(_Said(message.role, texts))
    if not said or said[-1].role != "user":
        raise InvalidInput("messages", "must end with one of the role user: the question")
    if said[0].role != "user":
        raise InvalidInput("messages", "must begin with one of the role user, after the system's")
    ids, selector, span = _meant(cameras)
    texts = [BETWEEN.join(text for text in one.texts if text.strip()) for one in said]
    turns = tuple(Turn(*pair) for pair in zip(texts[:-1:2], texts[1:-1:2], strict=True))
    question = BETWEEN.join([*instructions, texts[-1]]) if texts[-1] else ""
    if not question:
        raise InvalidInput("messages", "the last one has no text: what is the question?")
    return Conversation(question, turns, ids, selector, span)


def _check(message: Message, field: str) -> None:
    if message.role not in (*INSTRUCTIONS, "user", "assistant"):
        raise InvalidInput(
            f"{field}.role", f"{message.role!r} is not supported: no tools are called"
        )
    for name, value in (message.model_extra or {}).items():
        if value and name not in EMPTY_FIELDS:
            raise InvalidInput(f"{field}.{name}", "is not supported")


def _parts(message: Message, field: str) -> tuple[list[str], list[tuple[str, CameraUrl]]]:
    content = message.content
    if content is None or isinstance(content, str):
        return [content] if content else [], []
    texts, cameras = [], []
    for number, part in enumerate(content):
        where = f"{field}.content[{number}]"
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, VideoPart):
            if message.role != "user":
                raise InvalidInput(where, "only messages of the role user name cameras")
            url = f"{where}.video_url.url"
            cameras.append((url, read_camera_url(part.video_url.url, url)))
        else:
            why = REFUSED.get(part.type, "is not supported: text and video_url are")
            raise InvalidInput(f"{where}.type", f"{part.type!r}: {why}")
    return texts, cameras


def _meant(
    cameras: Sequence[tuple[str, CameraUrl]],
) -> tuple[tuple[str, ...], str, AskedSpan | None]:
    if not cameras:
        raise InvalidInput(
            "messages",
            'name no camera: add a part {"type": "video_url", "video_url": {"url": ...}} with a'
            f" URL like {EXAMPLE}",
        )
    _, first = cameras[0]
    for field, one in cameras[1:]:
        if one.selector or first.selector:
            raise InvalidInput(field, "labels select all cameras of a question in one part")
        if one.span != first.span:
            raise InvalidInput(field, "all cameras of a question have the same span of time")
    ids = tuple(dict.fromkeys(one.camera_id for _, one in cameras if one.camera_id))
    return ids, first.selector, first.span
