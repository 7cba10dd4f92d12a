"""Imported once in the fork server, so that camera processes start in milliseconds.

What is imported there is shared by all of them; freezing it keeps the garbage
collector of each child from touching, and so copying, those pages. Not `main`
itself, which each child imports under another name.
"""

from __future__ import annotations

import gc
import signal

import services.common.http
import services.common.ownership
import services.common.status_writer
import services.decoder.camera_process  # noqa: F401

# Service managers signal the whole group: the supervisor alone decides what ends when.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

gc.collect()
gc.freeze()
