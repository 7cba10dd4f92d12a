"""The audit log: a line for each call, with the caller, the camera and the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from hermes.errors import HermesError
from services.common import logs
from services.common.rpc import code_of_end
from services.query_gateway.access.current import CurrentCall
from services.query_gateway.access.scopes import Action, shown_id

log = logs.get(__name__)

STRANGERS_EVERY_S = 10.0
"""Unknown callers share a line in this time, so that they cannot fill the log."""


class Audit:
    """Logs questions and administration; reads only if permission was denied."""

    def __init__(
        self, *, with_questions: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`with_questions`: log the text of questions, too."""
        self._with_questions = with_questions
        self._clock = clock
        self._strangers = 0
        self._next_line = clock()

    def stranger(self, method: str, why: HermesError, context: Any) -> None:
        """Count a call of an unknown caller. A line every ten seconds says how many there were."""
        self._strangers += 1
        now = self._clock()
        if now < self._next_line:
            return
        log.warning(
            "strangers",
            calls=self._strangers,
            method=method,
            peer=context.peer(),
            reason=why.reason,
            why=str(why),
        )
        self._strangers, self._next_line = 0, now + STRANGERS_EVERY_S

    @contextmanager
    def call(
        self,
        call: CurrentCall,
        method: str,
        action: Action,
        camera_id: str,
        request: Any,
        context: Any,
    ) -> Iterator[None]:
        """Wraps a call, and logs its line at the end."""
        began = self._clock()
        code = grpc.StatusCode.OK
        try:
            yield
        except BaseException as error:
            code = code_of_end(error, context)
            raise
        finally:
            if action is not Action.READ or code is grpc.StatusCode.PERMISSION_DENIED:
                asked = self._with_questions and hasattr(request, "question")
                log.info(
                    "audit",
                    who=call.caller.who,
                    method=method,
                    **_cameras(call, camera_id),
                    code=code.name,
                    peer=context.peer(),
                    seconds=round(self._clock() - began, 3),
                    **({"question": request.question.text} if asked else {}),
                )


def _cameras(call: CurrentCall, camera_id: str) -> dict[str, Any]:
    """The camera that the request names, or all those that the call turned out to be about."""
    if not call.cameras:
        return {"camera": shown_id(camera_id)}
    denied = {"denied": list(call.denied)} if call.denied else {}
    return {"cameras": list(call.cameras), **denied}
