"""The rows of the dashboard *HERMES Live*, from top to bottom."""

from __future__ import annotations

from scripts.dashboard import camera, fleet, ingest, memory, notifications, questions, recovery
from scripts.dashboard.row import Row

ROWS = (
    Row("Fleet at a glance", fleet.PANELS),
    Row("Questions", questions.PANELS),
    Row("Memory by band", memory.PANELS),
    Row("Ingest and drops", ingest.PANELS),
    Row("Ownership and recovery", recovery.PANELS),
    Row("Notifications", notifications.PANELS),
    Row("One camera in depth: $camera", camera.PANELS),
)
