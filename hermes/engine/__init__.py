"""Many cameras on one device.

An `Engine` runs one thread, the device's. `Engine.open` returns a `CameraHandle`:
offer it frames, ask it questions. Each answer goes to an `AnswerSink`. The
`Scheduler` decides what the device does next.
"""

from hermes.choices import ChoiceProbability
from hermes.engine.answer import Answer, AnswerResult, AnswerSink, TokenLogprob
from hermes.engine.camera import CameraHandle
from hermes.engine.config import EngineConfig
from hermes.engine.copying import Snapshot
from hermes.engine.engine import Engine
from hermes.engine.gate import SimilarityGate
from hermes.engine.observer import EngineObserver
from hermes.engine.scheduler import Scheduler
from hermes.engine.session import Batch, FrameInput, SessionReport

__all__ = [
    "Answer",
    "AnswerResult",
    "AnswerSink",
    "Batch",
    "CameraHandle",
    "ChoiceProbability",
    "Engine",
    "EngineConfig",
    "EngineObserver",
    "FrameInput",
    "Scheduler",
    "SessionReport",
    "SimilarityGate",
    "Snapshot",
    "TokenLogprob",
]
