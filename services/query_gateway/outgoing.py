"""What a call to a worker carries beside its request: its place in a trace, and who asks."""

from __future__ import annotations

from services.common import tracing
from services.common.caller import KEY
from services.query_gateway.access.current import current_mark


def outgoing() -> tuple[tuple[str, str], ...] | None:
    """Metadata of a call to a worker, made for the call that is being served."""
    trace, mark = tracing.outgoing(), current_mark()
    return (*(trace or ()), (KEY, mark)) if mark else trace
