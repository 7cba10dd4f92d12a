"""The rows of the Grafana dashboard, from top to bottom."""

from __future__ import annotations

from scripts.dashboard import camera, fleet, ingest, memory, notifications, questions, recovery

ROWS = {
    "Fleet at a glance": fleet.PANELS,
    "Questions": questions.PANELS,
    "Memory by band": memory.PANELS,
    "Ingest and drops": ingest.PANELS,
    "Ownership and recovery": recovery.PANELS,
    "Notifications": notifications.PANELS,
    "One camera in depth: $camera": camera.PANELS,
}
