"""Imported once in the fork server, so that camera processes start in milliseconds.

What is imported there is shared by all of them; freezing it keeps the garbage
collector of each child from touching, and so copying, those pages. `main` is
not among the imports: each child imports it under another name.
"""

from __future__ import annotations

import gc
import signal

import services.common.http
import services.common.ownership
import services.common.status_writer
import services.decoder.camera_process
import services.decoder.probe_process  # noqa: F401

# Service managers signal the whole group: only the supervisor decides when a process ends.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

gc.collect()
gc.freeze()
