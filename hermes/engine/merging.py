"""Makes one answer of several cameras' answers, without any camera's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hermes.engine.answer import Answer, AnswerSink
from hermes.engine.camera import CameraHandle
from hermes.engine.config import EngineConfig
from hermes.engine.session import Session
from hermes.errors import InvalidInput, NothingToMerge, Unsupported
from hermes.memory import MemoryConfig, SlabPool
from hermes.merged_question import CameraAnswer, merged_question
from hermes.question import Question
from hermes.vlm import VideoMemory, VideoModel
from hermes.vlm.plain_text import PlainText
from hermes.vlm.text_only import TextOnly

_ANY = "?"


class Merging:
    """Questions about texts. Each is a question like any other, to a memory that holds no frame.

    That memory holds the beginning of a prompt without a video, and nothing is ever
    added to it.
    """

    def __init__(
        self,
        model: VideoModel,
        config: EngineConfig,
        reach: int,
        handle: Callable[..., CameraHandle],
    ) -> None:
        """`reach`: the most tokens that one token can attend to. `handle` makes a handle of a
        session. Raises `Unsupported` if the model cannot be asked about text.
        """
        self._model = TextOnly.of(model)
        self._config = config
        template, tokenizer = self._model.template, model.tokenizer
        prefix = len(template.prefix_ids(tokenizer))
        frame = model.most_frame_tokens
        positions = model.position_limit - 2 * frame
        room = min(reach, positions) - prefix - config.max_answer_tokens
        self._tokens = min(config.max_merge_tokens, room)
        self._around = len(template.question_ids(tokenizer, _ANY)) - 1
        if self._tokens <= self._around:
            raise Unsupported(f"{model.name}: it has no room to merge answers")
        self._memory_config = MemoryConfig(
            budget=frame,
            headroom=frame,
            position_limit=model.position_limit,
            position_reserve=self._tokens + config.max_answer_tokens,
        )
        self._session = Session("", -1, 1, question_tokens=self._tokens)
        self._session.open(self._new_memory())
        self._handle = handle(self._session)

    def _new_memory(self) -> VideoMemory:
        return VideoMemory(
            self._model,
            "sliding-window",
            config=self._memory_config,
            compress_every_frames=1,
            slabs=SlabPool(self._model.shape),
        )

    def ask(
        self,
        question: Question,
        answers: Sequence[CameraAnswer],
        sink: AnswerSink,
        caller: str = "",
    ) -> tuple[Answer, int]:
        """Ask for one answer, which goes to `sink`. Of the question, text, turns, sampling and
        the longest answer count. `caller`: as in `CameraHandle.ask`.

        Returns the answer under way, and how many of the cameras' answers had to be cut
        or left out. Raises `NothingToMerge`, `InvalidInput`, `Overloaded` and `Unavailable`.
        """
        if not answers:
            raise NothingToMerge("no camera answered, so there is nothing to merge")
        if not question.text.strip():
            raise InvalidInput("question.text", "is empty; ask something")
        plain, most = PlainText(self._model.tokenizer), self._config.max_question_tokens
        asked = len(plain.ids(question.text.strip()))
        if asked > most:
            raise InvalidInput("question.text", f"is {asked} tokens long; at most {most}")
        merged = merged_question(
            question.text,
            answers,
            lambda text: len(plain.ids(text)),
            self._tokens - self._around,
        )
        wanted = replace(question, text=merged.text, span=None, form=None, evidence=0)
        return self._handle.ask(wanted, sink, caller=caller), merged.shortened
