"""The process of one probe: what a stranger's source does to it harms nothing else."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import NoReturn

import av

from hermes.v1.camera_pb2 import SOURCE_ERROR_CODEC, Camera, CameraServiceProbeResponse
from services.common import logs
from services.common.parent import die_with_parent
from services.common.redaction import redact, secrets_of
from services.decoder.faults import MAX_MESSAGE
from services.decoder.memory_limit import limit_memory
from services.decoder.probe import MAX_THUMBNAIL_BYTES, Probe
from services.decoder.report import Channel
from services.decoder.settings import DecoderSettings

MAX_ANSWER_BYTES = MAX_THUMBNAIL_BYTES + (8 << 10)


@dataclass(frozen=True)
class ProbeTask:
    """Everything that a probe's process needs. `seconds`: what it may take."""

    camera: bytes
    settings: DecoderSettings
    seconds: float
    thumbnail: bool

    def __repr__(self) -> str:
        return f"ProbeTask(seconds={self.seconds})"  # the camera holds credentials


def run(task: ProbeTask, end: socket.socket) -> NoReturn:
    """The process, from its first line to its exit."""
    until_s = time.monotonic() + task.seconds
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent(signal.SIGKILL)
    av.logging.set_level(None)
    camera = Camera.FromString(task.camera)
    logs.configure("decoder", task.settings.log_level, probe=camera.id)
    limit_memory(task.settings.camera_memory)
    channel = Channel(end)
    try:
        probe = Probe(camera, task.settings, until_s, thumbnail=task.thumbnail)
        for found in probe.run():
            channel.send(found.SerializeToString())
    except BaseException as error:
        secrets = (*task.settings.credentials.secrets, *secrets_of(camera.url))
        text = redact(f"{type(error).__name__}: {error}", secrets)
        crashed = CameraServiceProbeResponse(
            error=SOURCE_ERROR_CODEC, error_message=f"internal error ({text})"[:MAX_MESSAGE]
        )
        channel.send(crashed.SerializeToString())
    os._exit(0)
