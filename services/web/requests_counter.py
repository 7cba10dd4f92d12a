"""How many requests were answered, and how."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class RequestsCounter:
    """Counts requests by route and status. Unknown paths are one route, so that series are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "hermes_http_requests",
            "Requests to the HTTP door by route and status; 499: the client left before.",
            ["route", "status"],
            registry=registry,
        )

    def __call__(self, route: str, status: int) -> None:
        """Count one."""
        self._requests.labels(route, str(status)).inc()
