"""Streams of an answer's text, for blocking and for asyncio callers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from hermes import errors
from hermes.client.types import Answer, answer_of
from hermes.statuses import error_of
from hermes.v1 import query_pb2


class Parts:
    """The state of an answer: its text so far, and its closing message."""

    def __init__(self, asked: query_pb2.Question | None) -> None:
        self._asked = query_pb2.Question() if asked is None else asked
        self._texts: list[str] = []
        self._complete: query_pb2.Complete | None = None

    def take(
        self, response: query_pb2.QueryServiceAskResponse | query_pb2.QueryServiceAskManyResponse
    ) -> str | None:
        """Take one message. Returns its text if it is a delta."""
        if response.WhichOneof("event") == "complete":
            self._complete = response.complete
            self._check_kept(response.complete)
            return None
        self._texts.append(response.delta.text)
        return response.delta.text

    def _check_kept(self, complete: query_pb2.Complete) -> None:
        """Refuse an answer to another question. An older service reads only what it knows."""
        ignored = []
        if self._asked.HasField("span") and not complete.HasField("span"):
            ignored.append("span")
        if self._asked.HasField("choices") and not complete.choices:
            ignored.append("choices")
        if ignored:
            raise errors.Unsupported(
                f"the gateway or the worker is older than this client: it ignored the question's"
                f" {' and '.join(ignored)}"
            )

    def answer(self) -> Answer:
        """The finished answer. Raises `HermesError` if it never finished."""
        if self._complete is None:
            raise errors.HermesError("the answer was not finished")
        return answer_of("".join(self._texts), self._complete)


class AnswerStream(Iterator[str]):
    """Iterates over the pieces of an answer. As a context manager it cancels the rest on exit."""

    def __init__(self, call: Any, peer: str, asked: query_pb2.Question | None = None) -> None:
        self._call = call
        self._peer = peer
        self._parts = Parts(asked)
        self._cancelled = False

    def __next__(self) -> str:
        while True:
            try:
                response = next(self._call)
            except grpc.RpcError as error:
                if self._cancelled:
                    raise StopIteration from None
                raise error_of(error, self._peer) from error
            text = self._parts.take(response)
            if text is not None:
                return text

    def result(self) -> Answer:
        """The whole answer; waits for what is not written yet."""
        for _ in self:
            pass
        return self._parts.answer()

    def cancel(self) -> None:
        """Stop the work on this answer. Harmless after its end."""
        self._cancelled = True
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


class AsyncAnswerStream(AsyncIterator[str]):
    """`AnswerStream` for asyncio. As a context manager it cancels the rest on exit."""

    def __init__(self, call: Any, peer: str, asked: query_pb2.Question | None = None) -> None:
        self._call = call
        self._peer = peer
        self._parts = Parts(asked)
        self._cancelled = False

    async def __anext__(self) -> str:
        while not self._cancelled:
            try:
                response = await self._call.read()
            except grpc.RpcError as error:
                raise error_of(error, self._peer) from error
            if response is grpc.aio.EOF:
                break
            text = self._parts.take(response)
            if text is not None:
                return text
        raise StopAsyncIteration

    async def result(self) -> Answer:
        """The whole answer; waits for what is not written yet."""
        async for _ in self:
            pass
        return self._parts.answer()

    def cancel(self) -> None:
        """Stop the work on this answer. Harmless after its end."""
        self._cancelled = True
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()
